-- What is due is looked for by when it is due: a batch that leaves at its key's pace waits without being read each round.

drop index messages_waiting;

create index messages_waiting on messages (account_id, due_at, seq)
    where status = 'queued' and worker_id is null;
