-- Files: those of customers, fetched from Meta, and those for customers. Their content is kept elsewhere, under the
-- workspace's id and the file's.

create table media (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null,
    -- Whose it is; null is any account's of the workspace.
    account_id blob,
    -- The customer's message that brought it.
    message_id blob,
    origin text not null check (origin in ('inbound', 'upload', 'link')),
    state text not null check (state in ('receiving', 'pending', 'ready', 'failed', 'gone')),
    -- Meta's id of a customer's file.
    meta_id text,
    mime_type text,
    -- Announced by Meta, until the content is here.
    sha256 blob,
    size integer,
    file_name text,
    reason text,
    n_failures integer not null default 0,
    -- Fetched not before this time, while it is pending.
    due_at integer,
    worker_id blob,
    claim_token integer,
    -- The claim holds until then, whatever becomes of its task.
    claimed_until integer,
    created_at integer not null,
    -- Kept until then.
    expires_at integer
) strict;

create unique index media_by_message on media (message_id) where message_id is not null;
create index media_due on media (due_at, seq) where state = 'pending';
create index media_held on media (worker_id) where worker_id is not null;
create index media_by_content on media (workspace_id, sha256) where state = 'ready' and origin <> 'inbound';
create index media_expiring on media (expires_at) where expires_at is not null;
create index media_gone on media (seq) where state = 'gone';

-- Meta's ids of what was uploaded: good for one number, and for Meta's 30 days.
create table media_uploads (
    workspace_id blob not null,
    account_id blob not null,
    sha256 blob not null,
    mime_type text not null,
    meta_id text not null,
    uploaded_at integer not null,
    ends_at integer not null,
    primary key (workspace_id, account_id, sha256, mime_type)
) strict, without rowid;

create index media_uploads_by_end on media_uploads (ends_at);
