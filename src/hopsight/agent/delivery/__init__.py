"""From this machine to its server: enrolment, spool, upload, configuration."""
