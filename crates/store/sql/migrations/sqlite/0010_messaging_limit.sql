-- The messaging limit: who is about to be reached, how many people are counted, what of it was told, who waits for it.

-- The message on its way to this person, that the limit has room for; null: the person was reached, or may have been.
alter table reached add column reserved_by blob;

-- How many people are counted. Kept by triggers, so that a claim does not count them.
create table reach_counts (
    workspace_id blob not null,
    waba_id text not null,
    n_people integer not null,
    n_reserved integer not null,
    -- How much of the limit was told last, in percent.
    told integer not null default 0 check (told in (0, 80, 100)),
    primary key (workspace_id, waba_id)
) strict, without rowid;

insert into reach_counts (workspace_id, waba_id, n_people, n_reserved)
select workspace_id, waba_id, count(*), 0 from reached group by workspace_id, waba_id;

create trigger reached_grows after insert on reached
begin
    insert into reach_counts (workspace_id, waba_id, n_people, n_reserved)
    values (new.workspace_id, new.waba_id, new.reserved_by is null, new.reserved_by is not null)
    on conflict (workspace_id, waba_id) do update set
        n_people = n_people + excluded.n_people, n_reserved = n_reserved + excluded.n_reserved;
end;

create trigger reached_shrinks after delete on reached
begin
    update reach_counts
    set n_people = n_people - (old.reserved_by is null), n_reserved = n_reserved - (old.reserved_by is not null)
    where workspace_id = old.workspace_id and waba_id = old.waba_id;
end;

create trigger reached_changes after update of reserved_by on reached
when (old.reserved_by is null) <> (new.reserved_by is null)
begin
    update reach_counts
    set n_people = n_people + case when new.reserved_by is null then 1 else -1 end,
        n_reserved = n_reserved + case when new.reserved_by is null then -1 else 1 end
    where workspace_id = new.workspace_id and waba_id = new.waba_id;
end;

-- What a message of the queue waits for beside its time and its turn.
alter table messages add column waiting_for text check (waiting_for in ('messaging_limit'));

drop index messages_waiting;

-- What waits for the limit is not looked at among what is due.
create index messages_waiting on messages (account_id, due_at, seq)
    where status = 'queued' and worker_id is null and waiting_for is null;
create index messages_held_back on messages (account_id, due_at, seq)
    where status = 'queued' and waiting_for is not null;

-- For the count of messages whose outcome is not known.
create index messages_unknown on messages (account_id) where status = 'unknown';
