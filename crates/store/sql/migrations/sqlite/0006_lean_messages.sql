-- What changes with every message is kept small: the depth of the queues is counted where a message enters or leaves
-- them, and what is being sent is found by who holds it.

drop trigger messages_queue_grows;
drop trigger messages_queue_changes;

drop index messages_by_status;

create index messages_by_status on messages (workspace_id, status, seq)
    where status in ('queued', 'unknown', 'failed', 'expired', 'canceled');
