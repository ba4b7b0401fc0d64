-- People who log in, their sessions, rotations of keys, and the audit log.

-- Whose the limits and the kept answers are: the same for a key and for all that replaced it.
alter table api_keys add column owner_id blob;
alter table api_keys add column replaced_by blob;

update api_keys set owner_id = id;

create table users (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null references workspaces (id),
    email text not null,
    -- The form under which an address is unique: lower case.
    email_key text not null,
    name text,
    role text not null check (role in ('owner', 'admin', 'agent', 'viewer')),
    password_hash text not null,
    is_disabled integer not null check (is_disabled in (0, 1)),
    created_at integer not null,
    updated_at integer not null,
    last_login_at integer
) strict;

create unique index users_by_email on users (workspace_id, email_key);
create index users_by_address on users (email_key, seq);
create index users_by_workspace on users (workspace_id, seq);

-- The digest is SHA-256 of the session's secret, which is kept nowhere.
create table sessions (
    digest blob not null primary key,
    workspace_id blob not null,
    user_id blob not null references users (id),
    begun_at integer not null,
    seen_at integer not null
) strict, without rowid;

create index sessions_by_user on sessions (user_id);
create index sessions_by_begin on sessions (begun_at);
create index sessions_by_use on sessions (seen_at);

create table audit (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null references workspaces (id),
    at integer not null,
    actor_kind text not null,
    actor_id text,
    actor_name text not null,
    action text not null,
    subject_kind text not null,
    subject_id text not null,
    subject_name text,
    client text,
    request_id text,
    details text not null
) strict;

create index audit_by_workspace on audit (workspace_id, seq);
create index audit_by_action on audit (workspace_id, action, seq);
create index audit_by_subject on audit (workspace_id, subject_id, seq);
create index audit_by_actor on audit (workspace_id, actor_id, seq);
