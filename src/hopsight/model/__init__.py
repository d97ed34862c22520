"""What travels and what is stored: pure data, no input or output. Imports nothing of ours but errors."""
