-- Times are microseconds since 1970, ids are the sixteen bytes of a UUIDv7, `seq` is the position in a list.
-- Every row that belongs to a tenant says so: no query crosses workspaces.

create table workspaces (
    id blob not null primary key,
    name text not null unique,
    created_at integer not null
) strict, without rowid;

-- Counts changes, so that a process knows when what it remembers is old.
create table revisions (
    name text not null primary key,
    value integer not null
) strict, without rowid;

insert into revisions (name, value) values ('directory', 1), ('templates', 1);

create table accounts (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null references workspaces (id),
    name text not null,
    phone_number_id text not null,
    waba_id text not null,
    display_phone_number text,
    verified_name text,
    quality_rating text,
    messaging_limit_tier text,
    access_token blob,
    app_secret blob,
    verify_token_digest blob,
    status text not null check (status in ('connected', 'held', 'disconnected')),
    status_reason text,
    is_default integer not null check (is_default in (0, 1)),
    is_sandbox integer not null check (is_sandbox in (0, 1)),
    created_at integer not null,
    updated_at integer not null,
    removed_at integer
) strict;

create unique index accounts_by_name on accounts (workspace_id, name) where removed_at is null;
create unique index accounts_by_number on accounts (phone_number_id) where removed_at is null;
create unique index accounts_default on accounts (workspace_id) where is_default = 1 and removed_at is null;

create table api_keys (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null references workspaces (id),
    name text not null,
    prefix text not null,
    digest blob not null unique,
    scopes text not null,
    accounts text not null,
    is_test integer not null check (is_test in (0, 1)),
    rate_per_minute integer,
    rate_burst integer,
    created_at integer not null,
    expires_at integer,
    revoked_at integer,
    last_used_at integer
) strict;

create index api_keys_by_workspace on api_keys (workspace_id, seq);

create table templates (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null references workspaces (id),
    waba_id text not null,
    meta_id text not null,
    name text not null,
    language text not null,
    category text not null,
    status text not null,
    parameter_format text not null,
    components text not null,
    quality text,
    rejected_reason text,
    synced_at integer not null
) strict;

create unique index templates_by_name on templates (workspace_id, waba_id, name, language);

create table contacts (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null references workspaces (id),
    wa_id text,
    user_id text,
    name text,
    profile_name text,
    opted_out_at integer,
    resting_until integer,
    last_inbound_at integer,
    created_at integer not null,
    updated_at integer not null
) strict;

create unique index contacts_by_user on contacts (workspace_id, user_id) where user_id is not null;
create index contacts_by_workspace on contacts (workspace_id, seq);

-- Every number under which a contact is known: Meta's spelling may differ from the caller's.
create table contact_numbers (
    workspace_id blob not null references workspaces (id),
    wa_id text not null,
    contact_id blob not null references contacts (id),
    primary key (workspace_id, wa_id)
) strict, without rowid;

create index contact_numbers_by_contact on contact_numbers (contact_id);

create table windows (
    workspace_id blob not null references workspaces (id),
    account_id blob not null references accounts (id),
    contact_id blob not null references contacts (id),
    last_inbound_at integer,
    refused_at integer,
    primary key (workspace_id, account_id, contact_id)
) strict, without rowid;

create index windows_by_contact on windows (contact_id);
create index windows_by_account on windows (account_id);

-- What Meta posted, byte for byte. Rows elsewhere point into it: first byte and number of bytes.
create table posts (
    seq integer primary key,
    received_at integer not null,
    digest blob,
    body blob not null
) strict;

create unique index posts_by_digest on posts (digest) where digest is not null;

create table messages (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null,
    account_id blob not null,
    contact_id blob not null,
    key_id blob,
    direction text not null check (direction in ('inbound', 'outbound')),
    kind text not null,
    status text not null check (status in (
        'queued', 'sending', 'unknown', 'sent', 'failed', 'delivered', 'read', 'played',
        'expired', 'canceled', 'received'
    )),
    wamid text,
    wa_id text,
    user_id text,
    client_reference text,
    context_wamid text,
    identity_key_hash text,
    content text,
    n_attempts integer not null,
    worker_id blob,
    claim_token integer,
    failure_code text,
    error text,
    pricing text,
    post_seq integer,
    post_start integer,
    post_length integer,
    created_at integer not null,
    updated_at integer not null
) strict;

create index messages_by_workspace on messages (workspace_id, seq);
create index messages_by_contact on messages (workspace_id, contact_id, seq);
create index messages_by_reference on messages (workspace_id, client_reference, seq)
    where client_reference is not null;
create index messages_by_status on messages (workspace_id, status, seq)
    where status in ('queued', 'sending', 'unknown', 'failed', 'expired', 'canceled');
create index messages_held on messages (worker_id) where worker_id is not null;

-- Meta's ids: each attempt has its own.
create table wamids (
    workspace_id blob not null,
    wamid text not null,
    account_id blob not null,
    message_id blob not null,
    attempt integer not null,
    primary key (workspace_id, wamid)
) strict, without rowid;

create table timeline (
    message_id blob not null,
    entry integer not null,
    workspace_id blob not null,
    status text not null,
    at integer not null,
    heard_at integer not null,
    is_report integer not null check (is_report in (0, 1)),
    wamid text,
    is_duplicate integer not null check (is_duplicate in (0, 1)),
    error text,
    pricing text,
    post_seq integer,
    post_start integer,
    post_length integer,
    primary key (message_id, entry)
) strict, without rowid;

-- Statuses of messages that are not known yet.
create table early_reports (
    workspace_id blob not null,
    account_id blob not null,
    wamid text not null,
    status text not null,
    at integer not null,
    heard_at integer not null,
    error text,
    pricing text,
    post_seq integer,
    post_start integer,
    post_length integer,
    primary key (workspace_id, account_id, wamid, status)
) strict, without rowid;

-- Parts of posts that changed nothing: nobody's, not understood, or of a kind that is only kept.
create table kept_parts (
    seq integer primary key,
    workspace_id blob,
    account_id blob,
    state text not null check (state in ('unrouted', 'undecodable', 'other')),
    field text not null,
    reason text,
    post_seq integer not null,
    post_start integer not null,
    post_length integer not null,
    received_at integer not null
) strict;

create index kept_parts_by_state on kept_parts (state, seq);
create unique index kept_parts_by_post on kept_parts (post_seq, post_start);

create table workers (
    id blob not null primary key,
    started_at integer not null,
    seen_at integer not null
) strict, without rowid;
