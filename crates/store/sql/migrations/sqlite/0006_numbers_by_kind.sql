-- Sandbox accounts are not verified at Meta: a sandbox account must not block a live account with the same number.
drop index accounts_by_number;
create unique index accounts_by_number on accounts (phone_number_id, is_sandbox) where removed_at is null;
