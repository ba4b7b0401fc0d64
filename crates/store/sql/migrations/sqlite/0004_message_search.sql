-- Search of messages, filters of the list of messages, marks as read, requested send times, list of files.

-- The send time that the caller requested.
alter table messages add column send_at integer;
-- When an inbound message was marked as read.
alter table messages add column read_at integer;

-- The queue's order is the requested time of messages that wait for it.
update messages set send_at = queue_order_at
    where status = 'queued' and queue_order_at > created_at + 1000000;

create index messages_scheduled on messages (workspace_id, seq) where status = 'queued' and send_at is not null;
create index messages_unread on messages (workspace_id, seq)
    where direction = 'inbound' and read_at is null and erased_at is null;
create index messages_unread_by_contact on messages (contact_id, seq)
    where direction = 'inbound' and read_at is null and erased_at is null;
create index messages_marked_read on messages (workspace_id, seq) where read_at is not null;
-- Changes more than an hour after the creation. Earlier changes are found by their position: a send writes nothing here.
create index messages_updated_late on messages (workspace_id, updated_at, seq)
    where updated_at - created_at > 3600000000;

create index media_by_workspace on media (workspace_id, seq);

-- Full-text index of messages: `rowid` is `messages.seq`. The index stores the texts, so that an erased message leaves
-- nothing in it: rows of an index without texts are only marked as deleted.
create virtual table message_search using fts5 (
    body, reference, tokenize = "unicode61 remove_diacritics 2", columnsize = 0
);
insert into message_search (message_search, rank) values ('secure-delete', 1);

-- Full-text index of contacts: `rowid` is `contacts.seq`. `numbers` has each number and each end of it, so that a part of
-- a number is the beginning of a word.
create virtual table contact_search using fts5 (
    names, numbers, tokenize = "unicode61 remove_diacritics 2", columnsize = 0
);
insert into contact_search (contact_search, rank) values ('secure-delete', 1);

-- Messages up to `indexed_to` are in the index, without those up to `backfill_to`, which an older version stored: they are
-- added in descending order.
create table search_progress (
    id integer not null primary key check (id = 1),
    indexed_to integer not null,
    backfill_to integer not null
) strict;

insert into search_progress (id, indexed_to, backfill_to)
    select 1, coalesce(max(seq), 0), coalesce(max(seq), 0) from messages;

-- Indexed messages whose content has changed, and contacts whose names or numbers have changed.
create table message_search_changes (message_seq integer not null primary key) strict;
create table contact_search_changes (contact_seq integer not null primary key) strict;

insert into contact_search_changes (contact_seq) select seq from contacts;

create trigger message_search_content after update of content on messages
    when old.content is not new.content and new.erased_at is null
begin
    delete from message_search where rowid = old.seq;
    insert or ignore into message_search_changes (message_seq) values (old.seq);
end;

create trigger message_search_erased after update of erased_at on messages when new.erased_at is not null
begin
    delete from message_search where rowid = old.seq;
    delete from message_search_changes where message_seq = old.seq;
end;

create trigger message_search_deleted after delete on messages
begin
    delete from message_search where rowid = old.seq;
    delete from message_search_changes where message_seq = old.seq;
end;

create trigger contact_search_inserted after insert on contacts
begin
    insert or ignore into contact_search_changes (contact_seq) values (new.seq);
end;

create trigger contact_search_updated after update of name, profile_name, username on contacts
    when old.name is not new.name or old.profile_name is not new.profile_name or old.username is not new.username
begin
    insert or ignore into contact_search_changes (contact_seq) values (new.seq);
end;

create trigger contact_search_deleted after delete on contacts
begin
    delete from contact_search where rowid = old.seq;
    delete from contact_search_changes where contact_seq = old.seq;
end;

create trigger contact_search_number_inserted after insert on contact_numbers
begin
    insert or ignore into contact_search_changes (contact_seq)
        select seq from contacts where id = new.contact_id;
end;

create trigger contact_search_number_updated after update of contact_id on contact_numbers
begin
    insert or ignore into contact_search_changes (contact_seq)
        select seq from contacts where id in (old.contact_id, new.contact_id);
end;

create trigger contact_search_number_deleted after delete on contact_numbers
begin
    insert or ignore into contact_search_changes (contact_seq)
        select seq from contacts where id = old.contact_id;
end;
