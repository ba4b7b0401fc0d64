-- What retention, copies and the rotation of the secret key need.

-- Written into a copy of the database when it is made, so that the copy is known for one when it takes the place of its
-- original. It stands until the messages were looked at that may have left since.
create table if not exists copies (
    made_at integer not null primary key
) strict;

-- Which key a process seals with.
alter table workers add column key_id blob;

-- What points into a post; without these a post is anybody's to delete.
create index messages_by_post on messages (post_seq) where post_seq is not null;
create index timeline_by_post on timeline (post_seq) where post_seq is not null;
create index early_reports_by_post on early_reports (post_seq) where post_seq is not null;

-- Events that are repeated are needed however old they are.
create index deliveries_repeating on deliveries (workspace_id, event_seq)
    where is_redelivery = 1 and status in ('pending', 'failed');
