"""The graph: values, questions and edits, free of any file format."""
