"""What people see: text and tables, plots, the page, logs."""
