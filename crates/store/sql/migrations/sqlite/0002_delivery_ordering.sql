-- Order of the deliveries to an endpoint, and deliveries that later deliveries have passed.

alter table webhook_endpoints add column ordering text not null default 'best_effort'
    check (ordering in ('best_effort', 'strict'));

-- Why the last attempt failed, or why there is no further attempt, in words.
alter table deliveries add column reason text;

-- The failed attempts are counted in `deliveries.n_attempts`: each attempt of an open delivery has failed.
alter table delivery_queues drop column n_failures;

-- Due queues with a lower number are attempted first. 0: the first attempt of the head. 1: the second attempt. 2: a later
-- attempt; the head blocks its queue. 3: a delivery that later deliveries have passed, in a queue of its own.
alter table delivery_queues add column priority integer not null default 0 check (priority between 0 and 3);

update delivery_queues
set priority = coalesce((
    select case when d.n_attempts > 1 then 2 else d.n_attempts end from deliveries d
    where d.webhook_id = delivery_queues.webhook_id and d.queue_key = delivery_queues.queue_key
      and d.status in ('pending', 'failed')
    order by d.seq limit 1), 0);

drop index delivery_queues_due;

create index delivery_queues_due on delivery_queues (webhook_id, priority, due_at) where worker_id is null;
