"""What people read: tables, plots and pages."""
