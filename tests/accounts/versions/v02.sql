PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
INSERT INTO schema_version VALUES(2);
CREATE TABLE revision (
	number INTEGER NOT NULL
);
INSERT INTO revision VALUES(7);
CREATE TABLE organizations (
	org_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR(255) NOT NULL, 
	UNIQUE (name)
);
INSERT INTO organizations VALUES(1,'One');
CREATE TABLE users (
	uid INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	email VARCHAR(254) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	UNIQUE (email)
);
INSERT INTO users VALUES(1,'jane@example.com','jane@example.com');
CREATE TABLE account_groups (
	aid INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	org_id INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	UNIQUE (org_id, name), 
	FOREIGN KEY(org_id) REFERENCES organizations (org_id)
);
INSERT INTO account_groups VALUES(1,1,'Main');
CREATE TABLE tokens (
	token_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	digest BLOB NOT NULL, 
	uid INTEGER NOT NULL, 
	created_s INTEGER NOT NULL, 
	UNIQUE (digest), 
	FOREIGN KEY(uid) REFERENCES users (uid) ON DELETE CASCADE
);
INSERT INTO tokens VALUES(1,X'80383f974f22964fd6b7ae851b6ccc9180ed4e6fcb2e415bafcab6d822139238',1,1700000000);
CREATE TABLE memberships (
	uid INTEGER NOT NULL, 
	aid INTEGER NOT NULL, 
	role VARCHAR(32) NOT NULL, 
	login BOOLEAN NOT NULL, 
	PRIMARY KEY (uid, aid), 
	FOREIGN KEY(uid) REFERENCES users (uid) ON DELETE CASCADE, 
	FOREIGN KEY(aid) REFERENCES account_groups (aid)
);
INSERT INTO memberships VALUES(1,1,'user',1);
CREATE TABLE account_group_keys (
	key_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	digest BLOB NOT NULL, 
	aid INTEGER NOT NULL, 
	created_s INTEGER NOT NULL, 
	UNIQUE (digest), 
	FOREIGN KEY(aid) REFERENCES account_groups (aid)
);
INSERT INTO account_group_keys VALUES(1,X'a0484a6185b324e2f355194f334482fc79194cd805185155ddcf6804fdb9090a',1,1700000000);
CREATE TABLE agents (
	agent_id VARCHAR(36) NOT NULL, 
	aid INTEGER NOT NULL, 
	enrolment_id VARCHAR(36) NOT NULL, 
	secret_digest BLOB NOT NULL, 
	info TEXT NOT NULL, 
	agent_name VARCHAR(255) NOT NULL, 
	computer_name VARCHAR(255) NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	deleted BOOLEAN NOT NULL, 
	created_s INTEGER NOT NULL, 
	last_seen_s INTEGER NOT NULL, 
	public_ip VARCHAR(45), 
	PRIMARY KEY (agent_id), 
	FOREIGN KEY(aid) REFERENCES account_groups (aid), 
	UNIQUE (enrolment_id)
);
INSERT INTO agents VALUES('6f1b1f5e-0d0a-4c63-9c0e-1a2b3c4d5e6f',1,'7a2c2f5e-0d0a-4c63-9c0e-1a2b3c4d5e6f',X'66d34fba71f8f450f7e45598853e53bfc23bbd129027cbb131a2f4ffd7878cd0','{"computerName":"laptop","platform":"Linux","osVersion":"12","kernelVersion":"6","version":"0"}','laptop','laptop',1,0,1700000000,1700000000,NULL);
CREATE TABLE targets (
	target_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	aid INTEGER NOT NULL, 
	host VARCHAR(253) NOT NULL, 
	port INTEGER NOT NULL, 
	protocol VARCHAR(8) NOT NULL, 
	interval_s INTEGER DEFAULT '60' NOT NULL, 
	UNIQUE (aid, host, port, protocol), 
	FOREIGN KEY(aid) REFERENCES account_groups (aid)
);
INSERT INTO targets VALUES(1,1,'a.example',443,'auto',60);
CREATE TABLE target_agents (
	target_id INTEGER NOT NULL, 
	agent_id VARCHAR(36) NOT NULL, 
	PRIMARY KEY (target_id, agent_id), 
	FOREIGN KEY(target_id) REFERENCES targets (target_id) ON DELETE CASCADE, 
	FOREIGN KEY(agent_id) REFERENCES agents (agent_id) ON DELETE CASCADE
);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('organizations',1);
INSERT INTO sqlite_sequence VALUES('account_groups',1);
INSERT INTO sqlite_sequence VALUES('users',1);
INSERT INTO sqlite_sequence VALUES('tokens',1);
INSERT INTO sqlite_sequence VALUES('account_group_keys',1);
INSERT INTO sqlite_sequence VALUES('targets',1);
CREATE INDEX tokens_by_uid ON tokens (uid);
CREATE INDEX memberships_by_aid ON memberships (aid);
CREATE INDEX account_group_keys_by_aid ON account_group_keys (aid);
CREATE INDEX agents_by_aid ON agents (aid, deleted, agent_id);
COMMIT;
