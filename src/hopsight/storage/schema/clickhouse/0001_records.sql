-- Records of one kind. A record's key is its place; the repeats of one meet on one shard, and of those the one
-- with the highest version stays, which is the one that came first (storage/clickhouse/store.py). Every statement
-- that reads them says FINAL: so whether ClickHouse has merged parts already makes no difference to anybody.
CREATE TABLE IF NOT EXISTS $rows $on_cluster (
    aid Int64,
    round_id Int64,
    id String,
    agent_id String,
    destination_ip $text,
    visited_site $text,
    domain $text,
    trigger $text,
    platform $text,
    connection $text,
    location $text,
    gateway $text,
    proxy_target $text,
    vpn_target $text,
    network_id $text,
    ssid $text,
    bssid $text,
    verdict $text,
    target_kind $text,
    loss_percent Nullable(Float64),
    latency_ms Nullable(Float64),
    jitter_ms Nullable(Float64),
    body String,
    detail Nullable(String),
    version UInt64
) ENGINE = $replacing
PARTITION BY intDiv(round_id, 86400)
ORDER BY (aid, round_id, id)
SETTINGS index_granularity = 1024;
