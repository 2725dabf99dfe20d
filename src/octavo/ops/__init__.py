"""The op table: one file a family, one row an operator."""
