-- Times are microseconds since 1970-01-01 UTC. Identifiers are the 16 bytes of a UUIDv7. `seq` is the position in a list.
-- Every row that belongs to a workspace names the workspace: no query reads rows of two workspaces.
-- Long texts are the last columns of a row: the columns before them are read without overflow pages.

-- Workspaces and WhatsApp accounts

create table workspaces (
    id blob not null primary key,
    name text not null unique,
    created_at integer not null
) strict, without rowid;

-- Counters of changes. A process reloads its caches when a counter differs from the value that it has read.
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
    -- When the access token expires, as reported by Meta.
    token_expires_at integer,
    -- The last notice of the expiry that was published: days before the expiry.
    token_notice_days integer,
    app_secret blob,
    -- The previous app secret, which still verifies webhooks until this time.
    old_app_secret blob,
    old_app_secret_until integer,
    verify_token_digest blob,
    status text not null check (status in ('connected', 'held', 'disconnected')),
    status_reason text,
    suspension_cause text check (suspension_cause in ('refused', 'disabled', 'app_removed')),
    -- When the last suspension ended: an error that Meta reported before this time does not suspend the account.
    resumed_at integer,
    -- When the next probe of a suspended account is due. Null: the account is not probed.
    probe_at integer,
    -- The wait before that probe, in microseconds. It survives a resumption by a probe.
    probe_wait integer,
    is_default integer not null check (is_default in (0, 1)),
    is_sandbox integer not null check (is_sandbox in (0, 1)),
    -- 1: links in messages are downloaded and uploaded to Meta. Null: the configuration decides.
    fetches_links integer check (fetches_links in (0, 1)),
    created_at integer not null,
    updated_at integer not null,
    removed_at integer
) strict;

create unique index accounts_by_name on accounts (workspace_id, name) where removed_at is null;
create unique index accounts_by_number on accounts (phone_number_id) where removed_at is null;
create unique index accounts_default on accounts (workspace_id) where is_default = 1 and removed_at is null;

-- The last change that Meta reported of a subject, by Meta's time: an older update that arrives later is not applied.
create table update_watermarks (
    workspace_id blob not null,
    waba_id text not null,
    subject text not null,
    updated_at integer not null,
    primary key (workspace_id, waba_id, subject)
) strict, without rowid;

-- Access: API keys, users, sessions, audit log

create table api_keys (
    seq integer primary key,
    id blob not null unique,
    -- The owner of the rate limits and of the idempotency records. A key that replaces another key has the same owner.
    owner_id blob not null,
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
    replaced_by blob,
    last_used_at integer
) strict;

create index api_keys_by_workspace on api_keys (workspace_id, seq);

create table users (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null references workspaces (id),
    email text not null,
    -- The email address in lower case: unique in the workspace.
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
create index users_by_email_key on users (email_key, seq);
create index users_by_workspace on users (workspace_id, seq);

-- The digest is the SHA-256 of the session's secret. The secret is not stored.
create table sessions (
    digest blob not null primary key,
    workspace_id blob not null,
    user_id blob not null references users (id),
    created_at integer not null,
    last_used_at integer not null
) strict, without rowid;

create index sessions_by_user on sessions (user_id);
create index sessions_by_creation on sessions (created_at);
create index sessions_by_last_use on sessions (last_used_at);

create table audit_entries (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null references workspaces (id),
    created_at integer not null,
    actor_kind text not null,
    actor_id text,
    actor_name text not null,
    action text not null,
    subject_kind text not null,
    subject_id text not null,
    subject_name text,
    client_ip text,
    request_id text,
    details text not null
) strict;

create index audit_entries_by_workspace on audit_entries (workspace_id, seq);
create index audit_entries_by_action on audit_entries (workspace_id, action, seq);
create index audit_entries_by_subject on audit_entries (workspace_id, subject_id, seq);
create index audit_entries_by_actor on audit_entries (workspace_id, actor_id, seq);

-- Templates

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
    quality text,
    rejected_reason text,
    synced_at integer not null,
    components text not null
) strict;

create unique index templates_by_name on templates (workspace_id, waba_id, name, language);

-- Contacts

create table contacts (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null references workspaces (id),
    wa_id text,
    bsuid text,
    name text,
    profile_name text,
    username text,
    -- When the contact last opted in or out of marketing.
    marketing_preference_at integer,
    opted_out_at integer,
    opted_out_reason text check (
        opted_out_reason = 'api' or opted_out_reason = 'import' or opted_out_reason = 'meta'
        or opted_out_reason = 'word'
    ),
    -- Meta limits marketing messages to this contact until then.
    marketing_limited_until integer,
    last_inbound_at integer,
    stage text,
    email text,
    created_at integer not null,
    updated_at integer not null,
    tags text not null default '[]',
    custom_fields text not null default '{}'
) strict;

create unique index contacts_by_bsuid on contacts (workspace_id, bsuid) where bsuid is not null;
create index contacts_by_workspace on contacts (workspace_id, seq);
create index contacts_by_stage on contacts (workspace_id, stage, seq) where stage is not null;

-- Every spelling of a number under which a contact is known: Meta's spelling may differ from the caller's.
create table contact_numbers (
    workspace_id blob not null references workspaces (id),
    wa_id text not null,
    contact_id blob not null references contacts (id),
    primary key (workspace_id, wa_id)
) strict, without rowid;

create index contact_numbers_by_contact on contact_numbers (contact_id);

-- A copy of `contacts.tags`, for searches by tag.
create table contact_tags (
    workspace_id blob not null references workspaces (id),
    tag text not null,
    contact_id blob not null references contacts (id),
    primary key (workspace_id, tag, contact_id)
) strict, without rowid;

create index contact_tags_by_contact on contact_tags (contact_id);

-- Customer service windows: the last message of a contact to an account, and the last time that Meta refused a message
-- because the window was closed.
create table service_windows (
    workspace_id blob not null references workspaces (id),
    account_id blob not null references accounts (id),
    contact_id blob not null references contacts (id),
    last_inbound_at integer,
    refused_at integer,
    primary key (workspace_id, account_id, contact_id)
) strict, without rowid;

create index service_windows_by_contact on service_windows (contact_id);
create index service_windows_by_account on service_windows (account_id);

-- Numbers and business-scoped user IDs that a WhatsApp user has given up, with the identifiers that replaced them.
-- Messages and reports from before `changed_at` belong to this user, later ones to another user.
create table number_changes (
    workspace_id blob not null,
    old_id text not null,
    changed_at integer not null,
    wa_id text,
    bsuid text,
    primary key (workspace_id, old_id)
) strict, without rowid;

-- Webhooks from Meta

-- Bodies of webhook requests, byte for byte. Other rows point to a part of a body: `payload_seq`, `payload_start` (first
-- byte) and `payload_length` (number of bytes).
create table webhook_payloads (
    seq integer primary key,
    received_at integer not null,
    digest blob,
    -- The signature header as received, and the identifiers of the accounts whose app secret verified it, concatenated.
    signature blob,
    signer_ids blob,
    body blob not null
) strict;

create unique index webhook_payloads_by_digest on webhook_payloads (digest) where digest is not null;

-- Changes of webhook payloads that have no row in another table.
create table webhook_changes (
    seq integer primary key,
    workspace_id blob,
    account_id blob,
    state text not null check (state in ('unrouted', 'undecodable', 'other')),
    is_applied integer not null check (is_applied in (0, 1)),
    field text not null,
    reason text,
    -- SHA-256 of the change's bytes and of the envelope's identifiers: a change that is received again has the same digest.
    digest blob not null,
    payload_seq integer not null,
    payload_start integer not null,
    payload_length integer not null,
    received_at integer not null
) strict;

create index webhook_changes_by_state on webhook_changes (state, seq);
create unique index webhook_changes_by_payload
    on webhook_changes (payload_seq, payload_start, coalesce(workspace_id, x''));
create unique index webhook_changes_by_digest on webhook_changes (digest, coalesce(workspace_id, x''));

-- Messages

create table messages (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null,
    account_id blob not null,
    contact_id blob not null,
    key_id blob,
    -- The request to `POST /api/messages/batch` with which the message was accepted.
    batch_id blob,
    direction text not null check (direction in ('inbound', 'outbound')),
    kind text not null,
    status text not null check (
        status = 'sending' or status = 'sent' or status = 'delivered' or status = 'read' or status = 'received'
        or status = 'queued' or status = 'failed' or status = 'unknown' or status = 'played'
        or status = 'expired' or status = 'canceled'
    ),
    mode text not null default 'sync' check (mode in ('sync', 'queue')),
    wamid text,
    wa_id text,
    bsuid text,
    client_reference text,
    context_wamid text,
    identity_key_hash text,
    n_attempts integer not null,
    -- The lease: the worker that sends the message, and the token that it must present to finish the attempt.
    worker_id blob,
    lease_token integer,
    -- The position in the contact's queue: the time of acceptance, or the requested send time. Retries do not change it.
    queue_order_at integer,
    -- The message is not sent before this time.
    due_at integer,
    -- The message is not sent after this time.
    expires_at integer,
    -- Time of the first failed download of a file of the message. Later messages of the contact are sent meanwhile.
    media_failing_since integer,
    -- The reason for which a queued message is deferred, apart from its time and its position.
    deferred_by text check (deferred_by in ('messaging_limit')),
    on_unknown text not null default 'hold' check (on_unknown in ('hold', 'resend')),
    -- 1: the message was sent again after an unknown outcome, which happens once.
    is_resent integer not null default 0 check (is_resent in (0, 1)),
    sent_as text not null default 'message' check (sent_as in ('message', 'template')),
    needs_window integer not null default 0 check (needs_window in (0, 1)),
    -- 1: the message, or its fallback, is a marketing template. Checked again when the message leaves the queue.
    is_marketing integer not null default 0 check (is_marketing in (0, 1)),
    is_fallback_marketing integer not null default 0 check (is_fallback_marketing in (0, 1)),
    failure_code text,
    payload_seq integer,
    payload_start integer,
    payload_length integer,
    created_at integer not null,
    updated_at integer not null,
    -- When the contact was erased: the row keeps type, times and status; later reports add no personal data.
    erased_at integer,
    content text,
    -- The template to send instead if the window is closed: the object named by `template`.
    fallback text,
    error text,
    pricing text
) strict;

create index messages_by_workspace on messages (workspace_id, seq);
create index messages_by_contact on messages (workspace_id, contact_id, seq);
create index messages_by_batch on messages (workspace_id, batch_id, seq) where batch_id is not null;
create index messages_by_reference on messages (workspace_id, client_reference, seq)
    where client_reference is not null;
-- SQLite builds a list of more than two values after `in` as a temporary table each time that it evaluates the condition.
-- Comparisons that are joined by `or` cost nothing.
create index messages_by_status on messages (workspace_id, status, seq)
    where status = 'failed' or status = 'queued' or status = 'unknown' or status = 'expired' or status = 'canceled';
create index messages_leased on messages (worker_id) where worker_id is not null;
create index messages_in_queue on messages (contact_id, account_id, queue_order_at, seq, media_failing_since)
    where mode = 'queue' and status in ('queued', 'sending');
create index messages_due on messages (account_id, due_at, seq)
    where status = 'queued' and worker_id is null and deferred_by is null;
create index messages_deferred on messages (account_id, due_at, seq)
    where status = 'queued' and deferred_by is not null;
create index messages_expiring on messages (expires_at) where status = 'queued' and expires_at is not null;
create index messages_unknown on messages (account_id) where status = 'unknown';
create index messages_by_payload on messages (payload_seq) where payload_seq is not null;

-- Meta's message IDs: each attempt has one.
create table wamids (
    workspace_id blob not null,
    wamid text not null,
    account_id blob not null,
    message_id blob not null,
    attempt integer not null,
    primary key (workspace_id, wamid)
) strict, without rowid;

create table message_timeline (
    message_id blob not null,
    entry integer not null,
    workspace_id blob not null,
    status text not null,
    occurred_at integer not null,
    received_at integer not null,
    -- 1: reported by a webhook from Meta. 0: written by Waypost.
    is_report integer not null check (is_report in (0, 1)),
    wamid text,
    is_duplicate integer not null check (is_duplicate in (0, 1)),
    error text,
    pricing text,
    payload_seq integer,
    payload_start integer,
    payload_length integer,
    primary key (message_id, entry)
) strict, without rowid;

create index message_timeline_by_payload on message_timeline (payload_seq) where payload_seq is not null;

-- Statuses of messages whose wamid is not known yet.
create table pending_statuses (
    workspace_id blob not null,
    account_id blob not null,
    wamid text not null,
    status text not null,
    occurred_at integer not null,
    received_at integer not null,
    error text,
    pricing text,
    payload_seq integer,
    payload_start integer,
    payload_length integer,
    primary key (workspace_id, account_id, wamid, status)
) strict, without rowid;

create index pending_statuses_by_time on pending_statuses (received_at);
create index pending_statuses_by_payload on pending_statuses (payload_seq) where payload_seq is not null;

-- Number of queued messages of each account.
create table queue_depths (
    account_id blob not null primary key,
    n_messages integer not null
) strict, without rowid;

-- Requests with an `Idempotency-Key`. The status is null while the first request is in progress, or if its process died.
create table idempotency_records (
    workspace_id blob not null,
    owner_id blob not null,
    key text not null,
    digest blob not null,
    message_id blob not null,
    status integer,
    expires_at integer not null,
    body blob,
    primary key (workspace_id, owner_id, key)
) strict, without rowid;

create index idempotency_records_by_message on idempotency_records (message_id);
create index idempotency_records_by_expiry on idempotency_records (expires_at);

-- Recipients of templates outside the customer service window in the last 24 hours: what Meta's messaging limit counts.
-- The business portfolio is identified by its WhatsApp Business Account.
create table messaging_limit_recipients (
    workspace_id blob not null,
    waba_id text not null,
    contact_id blob not null,
    counted_at integer not null,
    -- The message for which the limit is reserved. Null: a message was sent, or its outcome is unknown.
    reserved_by blob,
    primary key (workspace_id, waba_id, contact_id)
) strict, without rowid;

create index messaging_limit_recipients_by_time on messaging_limit_recipients (workspace_id, waba_id, counted_at);

-- Number of counted recipients. Updated by triggers, so that a lease of due messages does not count rows.
create table messaging_limit_usage (
    workspace_id blob not null,
    waba_id text not null,
    n_recipients integer not null,
    n_reserved integer not null,
    -- The last threshold of the limit for which an event was published, in percent.
    notified_percent integer not null default 0 check (notified_percent in (0, 80, 100)),
    primary key (workspace_id, waba_id)
) strict, without rowid;

create trigger messaging_limit_recipients_inserted after insert on messaging_limit_recipients
begin
    insert into messaging_limit_usage (workspace_id, waba_id, n_recipients, n_reserved)
    values (new.workspace_id, new.waba_id, new.reserved_by is null, new.reserved_by is not null)
    on conflict (workspace_id, waba_id) do update set
        n_recipients = n_recipients + excluded.n_recipients, n_reserved = n_reserved + excluded.n_reserved;
end;

create trigger messaging_limit_recipients_deleted after delete on messaging_limit_recipients
begin
    update messaging_limit_usage
    set n_recipients = n_recipients - (old.reserved_by is null), n_reserved = n_reserved - (old.reserved_by is not null)
    where workspace_id = old.workspace_id and waba_id = old.waba_id;
end;

create trigger messaging_limit_recipients_updated after update of reserved_by on messaging_limit_recipients
when (old.reserved_by is null) <> (new.reserved_by is null)
begin
    update messaging_limit_usage
    set n_recipients = n_recipients + case when new.reserved_by is null then 1 else -1 end,
        n_reserved = n_reserved + case when new.reserved_by is null then -1 else 1 end
    where workspace_id = new.workspace_id and waba_id = new.waba_id;
end;

-- Media files. The content is stored elsewhere, under the identifiers of the workspace and of the file.

create table media (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null,
    -- The account that owns the file. Null: every account of the workspace may use it.
    account_id blob,
    -- The inbound message that contained the file.
    message_id blob,
    origin text not null check (origin in ('inbound', 'upload', 'link')),
    state text not null check (state in ('receiving', 'pending', 'ready', 'failed', 'gone')),
    -- Meta's media ID of an inbound file.
    meta_id text,
    mime_type text,
    -- Announced by Meta until the content is stored.
    sha256 blob,
    size integer,
    file_name text,
    reason text,
    n_failures integer not null default 0,
    -- The next download is not started before this time.
    due_at integer,
    worker_id blob,
    lease_token integer,
    lease_expires_at integer,
    created_at integer not null,
    expires_at integer
) strict;

create unique index media_by_message on media (message_id) where message_id is not null;
-- Due files are listed by account: an account with thousands of files does not delay the other accounts.
create index media_due on media (account_id, due_at, seq) where state = 'pending' and worker_id is null;
create index media_leased on media (worker_id) where worker_id is not null;
create index media_by_content on media (workspace_id, sha256) where state = 'ready' and origin <> 'inbound';
create index media_expiring on media (expires_at) where expires_at is not null;
create index media_gone on media (seq) where state = 'gone';

-- Meta's media IDs of uploaded files: valid for one phone number, for the 30 days for which Meta stores a file.
create table media_uploads (
    workspace_id blob not null,
    account_id blob not null,
    sha256 blob not null,
    mime_type text not null,
    meta_id text not null,
    expires_at integer not null,
    primary key (workspace_id, account_id, sha256, mime_type)
) strict, without rowid;

create index media_uploads_by_expiry on media_uploads (expires_at);

-- Events and webhook deliveries

-- The event log, in commit order: `seq` counts from 1 in each workspace. An event is written in the transaction of the
-- change that it reports.
create table events (
    workspace_id blob not null,
    seq integer not null,
    kind text not null,
    -- The subject: one account, all accounts of a WhatsApp Business Account, a contact.
    account_id blob,
    waba_id text,
    contact_id blob,
    -- The only endpoint that receives the event. Null: every endpoint whose filter matches.
    webhook_id blob,
    created_at integer not null,
    -- When the contact was erased: `data` has no personal data since then.
    erased_at integer,
    data text not null,
    primary key (workspace_id, seq)
) strict, without rowid;

create table webhook_endpoints (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null references workspaces (id),
    name text not null,
    url text not null,
    -- JSON arrays: types of events, or `*`; identifiers of accounts, empty for all accounts.
    events text not null,
    accounts text not null,
    headers blob,
    secret blob,
    old_secret blob,
    old_secret_until integer,
    is_enabled integer not null check (is_enabled in (0, 1)),
    status text not null check (status in ('active', 'failing', 'disabled')),
    status_reason text,
    -- Number of failed attempts since the last success, and the time of the first of them.
    n_failures integer not null default 0,
    failing_since integer,
    -- The endpoint receives the events after this one.
    after_seq integer not null,
    created_at integer not null,
    updated_at integer not null,
    removed_at integer
) strict;

create index webhook_endpoints_by_workspace on webhook_endpoints (workspace_id, seq);

-- The last event of each workspace for which deliveries were written.
create table fan_out_cursors (
    workspace_id blob not null primary key,
    seq integer not null
) strict, without rowid;

-- Deliveries: one event to one endpoint.
create table deliveries (
    workspace_id blob not null,
    seq integer not null,
    webhook_id blob not null,
    event_seq integer not null,
    -- The delivery queue: deliveries of one queue are attempted in order. Usually the identifier of the contact.
    queue_key blob not null,
    is_redelivery integer not null check (is_redelivery in (0, 1)),
    status text not null check (status = 'pending' or status = 'succeeded' or status = 'failed' or status = 'dead'),
    n_attempts integer not null default 0,
    http_status integer,
    latency_ms integer,
    response text,
    last_attempt_at integer,
    created_at integer not null,
    -- A delivery that has not succeeded by then becomes a dead letter.
    expires_at integer not null,
    primary key (workspace_id, seq)
) strict, without rowid;

create index deliveries_by_webhook on deliveries (webhook_id, seq);
create index deliveries_open on deliveries (webhook_id, queue_key, seq) where status in ('pending', 'failed');
create index deliveries_expiring on deliveries (expires_at) where status in ('pending', 'failed');
-- Retention does not delete the events of open redeliveries.
create index deliveries_redelivering on deliveries (workspace_id, event_seq)
    where is_redelivery = 1 and status in ('pending', 'failed');

-- Delivery queues that are not empty. Only the first delivery of a queue is attempted, when it is due.
create table delivery_queues (
    webhook_id blob not null,
    queue_key blob not null,
    workspace_id blob not null,
    n_failures integer not null,
    due_at integer not null,
    worker_id blob,
    lease_token integer,
    primary key (webhook_id, queue_key)
) strict, without rowid;

create index delivery_queues_due on delivery_queues (webhook_id, due_at) where worker_id is null;
create index delivery_queues_leased on delivery_queues (worker_id) where worker_id is not null;

-- Requested replays of past events that are not finished.
create table replays (
    id blob not null primary key,
    workspace_id blob not null,
    webhook_id blob not null references webhook_endpoints (id),
    next_seq integer not null,
    last_seq integer not null
) strict, without rowid;

create index replays_by_webhook on replays (webhook_id);

-- Maintenance

-- Processes that use the database.
create table workers (
    id blob not null primary key,
    heartbeat_at integer not null,
    -- Identifier of the secret key with which the process encrypts.
    secret_key_id blob not null
) strict, without rowid;

-- Written into every backup, so that a restored backup is recognized. The row is deleted when the messages that may have
-- been sent since the backup are quarantined.
create table backup_markers (
    created_at integer not null primary key
) strict;

-- Contacts whose erasure is in progress. The identifiers are deleted when they are no longer needed.
create table erasures (
    contact_id blob not null primary key,
    workspace_id blob not null,
    -- JSON array of numbers and business-scoped user IDs of the contact.
    identifiers text not null,
    -- JSON object of identifiers that belong to another contact now, each with the time until which it was this contact's.
    former_identifiers text not null,
    -- The erasure reads each table once, up to the row that was the last row when the erasure began.
    step text not null check (step in ('messages', 'payloads', 'events', 'deliveries', 'contexts', 'file')),
    next_seq integer not null,
    last_payload integer not null,
    last_event integer not null,
    last_delivery integer not null,
    last_message integer not null,
    created_at integer not null
) strict, without rowid;
