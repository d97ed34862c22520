"""What several servers share through Redis or Valkey: counters and news. Imported with ``--shared``."""
