-- What was probed, for probes that were stored before 0004: their ID tells, by what stands behind the plain one of
-- a gateway. Only network_probes has any; all others are spared by the first condition, without a look at them.

-- Probes of proxies and VPN endpoints shared a combination with those of the gateway: each gets one of its own. Its
-- digest is never looked for (what is stored from now on has another), and need only be unlike any other.
INSERT INTO {table}_dim (
    aid, digest, agent_id, destination_ip, visited_site, domain, "trigger", platform, connection, location,
    gateway, proxy_target, vpn_target, network_id, ssid, bssid, verdict, target_kind
)
SELECT
    known.aid, CAST('0006:' || known.dim || ':' || found.kind AS BLOB), agent_id, destination_ip, visited_site,
    domain, "trigger", platform, connection, location,
    gateway, proxy_target, vpn_target, network_id, ssid, bssid, verdict, found.kind
FROM (
    SELECT DISTINCT dim, CASE WHEN id GLOB '*-proxy' THEN 'proxy' ELSE 'vpn' END AS kind
    FROM {table}
    WHERE '{table}' = 'network_probes'
        AND (id GLOB '*-proxy' OR id GLOB '*-vpn')
        AND dim IN (SELECT dim FROM {table}_dim WHERE target_kind IS NULL)
) AS found
JOIN {table}_dim AS known ON known.dim = found.dim;

UPDATE {table}
SET dim = (
    SELECT own.dim
    FROM {table}_dim AS own
    WHERE own.digest = CAST(
        '0006:' || {table}.dim || ':' || CASE WHEN {table}.id GLOB '*-proxy' THEN 'proxy' ELSE 'vpn' END AS BLOB
    )
)
WHERE '{table}' = 'network_probes'
    AND (id GLOB '*-proxy' OR id GLOB '*-vpn')
    AND dim IN (SELECT dim FROM {table}_dim WHERE target_kind IS NULL);

UPDATE {table}_dim
SET target_kind = 'gateway'
WHERE '{table}' = 'network_probes' AND target_kind IS NULL;
