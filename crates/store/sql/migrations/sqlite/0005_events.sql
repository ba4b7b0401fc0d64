-- What the application may hear of, in the order in which it was committed: `seq` counts from 1 in each workspace.
-- An event is written in the transaction of the fact that it tells.

create table events (
    workspace_id blob not null,
    seq integer not null,
    kind text not null,
    -- Whom it concerns: a sender, all senders of a WhatsApp Business Account, a person.
    account_id blob,
    waba_id text,
    contact_id blob,
    -- The only endpoint that gets it.
    webhook_id blob,
    at integer not null,
    data text not null,
    primary key (workspace_id, seq)
) strict, without rowid;

-- Endpoints of the application.
create table webhooks (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null references workspaces (id),
    name text not null,
    url text not null,
    -- Lists, as JSON: kinds of events, or the one word `*`; ids of accounts, where only these are wanted.
    events text not null,
    accounts text not null,
    headers blob,
    secret blob,
    old_secret blob,
    old_secret_until integer,
    is_enabled integer not null check (is_enabled in (0, 1)),
    status text not null check (status in ('active', 'failing', 'disabled')),
    status_reason text,
    -- Failed attempts since the last success, and when the first of them was.
    n_failures integer not null default 0,
    failing_since integer,
    -- It hears of what comes after this event.
    after_seq integer not null,
    created_at integer not null,
    updated_at integer not null,
    removed_at integer
) strict;

create index webhooks_by_workspace on webhooks (workspace_id, seq);

-- How far the events of each workspace have been handed to its endpoints.
create table event_cursors (
    workspace_id blob not null primary key,
    seq integer not null
) strict, without rowid;

-- One event on its way to one endpoint.
create table deliveries (
    workspace_id blob not null,
    seq integer not null,
    webhook_id blob not null,
    event_seq integer not null,
    -- Its queue: the person, or what else keeps events in order.
    lane blob not null,
    is_redelivery integer not null check (is_redelivery in (0, 1)),
    status text not null check (status in ('pending', 'succeeded', 'failed', 'dead')),
    n_attempts integer not null default 0,
    http_status integer,
    latency_ms integer,
    response text,
    -- When it was last attempted.
    at integer,
    created_at integer not null,
    -- From then on it is a dead letter.
    ends_at integer not null,
    primary key (workspace_id, seq)
) strict, without rowid;

create index deliveries_by_webhook on deliveries (webhook_id, seq);
create index deliveries_waiting on deliveries (webhook_id, lane, seq) where status in ('pending', 'failed');
create index deliveries_ending on deliveries (ends_at) where status in ('pending', 'failed');

-- The queues of deliveries that are not empty: only the head of each is attempted, when it is due.
create table lanes (
    webhook_id blob not null,
    lane blob not null,
    workspace_id blob not null,
    n_failures integer not null,
    due_at integer not null,
    worker_id blob,
    claim_token integer,
    primary key (webhook_id, lane)
) strict, without rowid;

create index lanes_due on lanes (webhook_id, due_at) where worker_id is null;
create index lanes_held on lanes (worker_id) where worker_id is not null;

-- Wishes to hear of past events again, as far as they are not worked off.
create table replays (
    id blob not null primary key,
    workspace_id blob not null,
    webhook_id blob not null references webhooks (id),
    next_seq integer not null,
    last_seq integer not null,
    created_at integer not null
) strict, without rowid;

create index replays_by_webhook on replays (webhook_id);
