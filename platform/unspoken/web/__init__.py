"""What browsers get: templates, style sheet, icon."""
