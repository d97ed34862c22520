-- What a probe of network topology was sent to: gateway, proxy or vpn; NULL in all other kinds, and before.
ALTER TABLE {table}_dim ADD COLUMN target_kind TEXT;
