"""What pages show, taken out of them: rows as files, and reports by mail."""
