-- What the application keeps of people, their wishes, and what is left to erase.

alter table contacts add column tags text not null default '[]';
alter table contacts add column stage text;
alter table contacts add column email text;
alter table contacts add column custom_fields text not null default '{}';
alter table contacts add column opted_out_reason text
    check (opted_out_reason in ('api', 'import', 'meta', 'word'));

-- Until here only Meta could say so.
update contacts set opted_out_reason = 'meta' where opted_out_at is not null;

create index contacts_by_stage on contacts (workspace_id, stage, seq) where stage is not null;

-- The tags once more, to find people by.
create table contact_tags (
    workspace_id blob not null references workspaces (id),
    tag text not null,
    contact_id blob not null references contacts (id),
    primary key (workspace_id, tag, contact_id)
) strict, without rowid;

create index contact_tags_by_contact on contact_tags (contact_id);

-- A message of an erased person is a count: its words and names are gone, and no report brings them back.
alter table messages add column erased_at integer;

-- Whether it is a marketing template, and whether its fallback is: looked at again when it leaves the queue.
alter table messages add column is_marketing integer not null default 0 check (is_marketing in (0, 1));
alter table messages add column is_fallback_marketing integer not null default 0
    check (is_fallback_marketing in (0, 1));

-- People who are to be erased, as far as it is not done: what they are known by goes with the row.
create table erasures (
    contact_id blob not null primary key,
    workspace_id blob not null,
    -- Numbers and user ids, as JSON; what is left of the person is known by them.
    marks text not null,
    -- Those that are somebody else's by now, as a JSON object: each with the time up to which it was this person's.
    old_marks text not null,
    -- The work: each table is gone through once, up to the row that was its last when the erasure began.
    step text not null check (step in ('messages', 'posts', 'events', 'deliveries', 'contexts', 'file')),
    next_seq integer not null,
    last_post integer not null,
    last_event integer not null,
    last_delivery integer not null,
    last_message integer not null,
    created_at integer not null
) strict, without rowid;
