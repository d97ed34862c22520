"""What pages show, to take away: tables as CSV, charts as pictures."""
