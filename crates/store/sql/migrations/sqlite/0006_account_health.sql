-- What is watched of an account: the end of its access token, and whether it is the token that holds it.

alter table accounts add column is_token_hold integer not null default 0 check (is_token_hold in (0, 1));
alter table accounts add column token_expires_at integer;
-- The last notice of the token's end that was told, in days before it.
alter table accounts add column token_notice integer;

update accounts set is_token_hold = 1
where status = 'held'
  and (status_reason like 'Meta refused with code 190:%' or status_reason like 'Meta refused with code 0:%'
    or status_reason like 'Meta refused with code 102:%' or status_reason like 'Meta refused with code 104:%');
