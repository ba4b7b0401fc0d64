-- The queue: messages that wait for their time or their turn, and the answers kept for repeated requests.

alter table messages add column mode text not null default 'sync' check (mode in ('sync', 'queue'));
-- The place in the contact's queue: when it was accepted, or shall leave. Retries do not change it.
alter table messages add column order_at integer;
-- Not before this time.
alter table messages add column due_at integer;
-- Not after this time.
alter table messages add column expires_at integer;
alter table messages add column on_unknown text not null default 'hold' check (on_unknown in ('hold', 'resend'));
-- The template to send instead, should the window be closed: the object named by `template`.
alter table messages add column fallback text;
alter table messages add column sent_as text not null default 'message' check (sent_as in ('message', 'template'));
alter table messages add column needs_window integer not null default 0 check (needs_window in (0, 1));
-- Whether it was sent again after its outcome was unknown; that happens once.
alter table messages add column is_resent integer not null default 0 check (is_resent in (0, 1));

create index messages_waiting on messages (account_id, order_at, seq)
    where status = 'queued' and worker_id is null;
create index messages_in_line on messages (contact_id, account_id, order_at, seq)
    where mode = 'queue' and status in ('queued', 'sending');
create index messages_expiring on messages (expires_at)
    where status = 'queued' and expires_at is not null;

-- How many messages wait in each account's queue. Kept by triggers, so that no change of a status can forget it.
create table queue_depths (
    account_id blob not null primary key,
    n_messages integer not null
) strict, without rowid;

create trigger messages_queue_grows after insert on messages
when new.status = 'queued' and new.mode = 'queue'
begin
    insert into queue_depths (account_id, n_messages) values (new.account_id, 1)
    on conflict (account_id) do update set n_messages = n_messages + 1;
end;

create trigger messages_queue_changes after update of status on messages
when new.mode = 'queue' and (old.status = 'queued') <> (new.status = 'queued')
begin
    insert into queue_depths (account_id, n_messages) values (new.account_id, 0)
    on conflict (account_id) do nothing;
    update queue_depths
    set n_messages = n_messages + case when new.status = 'queued' then 1 else -1 end
    where account_id = new.account_id;
end;

-- The answers kept for `Idempotency-Key`. Without a status the first request is still running, or its process died.
create table idempotency_keys (
    workspace_id blob not null,
    owner_id blob not null,
    key text not null,
    digest blob not null,
    message_id blob not null,
    status integer,
    body blob,
    created_at integer not null,
    expires_at integer not null,
    primary key (workspace_id, owner_id, key)
) strict, without rowid;

create index idempotency_keys_by_message on idempotency_keys (message_id);
create index idempotency_keys_by_end on idempotency_keys (expires_at);
