-- What is watched of an account: the end of its access token.

alter table accounts add column token_expires_at integer;
-- The last notice of the token's end that was told, in days before it.
alter table accounts add column token_notice integer;
