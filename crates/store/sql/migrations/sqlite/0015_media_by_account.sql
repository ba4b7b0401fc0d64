-- Files to fetch are looked for account by account: one with thousands of them does not hide the others'.

drop index media_due;

create index media_due on media (account_id, due_at, seq) where state = 'pending' and worker_id is null;
