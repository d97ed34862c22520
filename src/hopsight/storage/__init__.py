"""Where records rest: ``open_store`` and the table of backends."""
