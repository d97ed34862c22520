"""Files in the MaxMind format, which operators bring: none comes with us, and nobody is asked online."""
