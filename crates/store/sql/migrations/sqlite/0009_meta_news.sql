-- All that Meta says: who signed it, what was heard before, who goes by another id, why an account is held.

-- The proof that a post is Meta's: the signature header as it came, and the accounts whose secret verified it then:
-- their ids, one after the other.
alter table posts add column signature blob;
alter table posts add column signers blob;

-- A part that has no id of its own is known by its bytes and by what the envelope says of it.
alter table kept_parts add column digest blob;
-- Whether it changed something here.
alter table kept_parts add column is_applied integer not null default 0 check (is_applied in (0, 1));

update kept_parts set is_applied = 1
where state = 'other' and field in (
    'calls', 'message_template_status_update', 'message_template_quality_update', 'template_category_update');

drop index kept_parts_by_post;
create unique index kept_parts_by_post on kept_parts (post_seq, post_start, coalesce(workspace_id, x''));
create unique index kept_parts_by_digest on kept_parts (digest, coalesce(workspace_id, x''))
    where digest is not null;

-- When Meta last changed something, by Meta's time: what comes late and is older changes nothing.
create table latest_news (
    workspace_id blob not null,
    waba_id text not null,
    subject text not null,
    at integer not null,
    primary key (workspace_id, waba_id, subject)
) strict, without rowid;

-- Who has left a number or a user id, for which, and when: what the person did before that is still the person's, and
-- whoever comes after is somebody else.
create table moves (
    workspace_id blob not null,
    old_id text not null,
    at integer not null,
    wa_id text,
    user_id text,
    primary key (workspace_id, old_id)
) strict, without rowid;

alter table contacts add column username text;
-- When the person last said whether marketing is welcome.
alter table contacts add column preference_at integer;
update contacts set preference_at = opted_out_at where opted_out_at is not null;

alter table accounts add column hold_cause text check (hold_cause in ('refused', 'disabled', 'app_removed'));
update accounts set hold_cause = 'refused' where status = 'held';
-- The secret that was replaced, while Meta may still sign with it.
alter table accounts add column old_app_secret blob;
alter table accounts add column old_app_secret_until integer;

create index early_reports_by_time on early_reports (heard_at);
