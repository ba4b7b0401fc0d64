-- Whether a link in an account's messages is fetched here and uploaded; null: as the configuration says.

alter table accounts add column fetches_links integer check (fetches_links in (0, 1));
