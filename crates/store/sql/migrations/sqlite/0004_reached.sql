-- People reached by templates outside their window: what Meta's messaging limit counts, in 24 hours.
-- The portfolio is known by its WhatsApp Business Account.

create table reached (
    workspace_id blob not null,
    waba_id text not null,
    contact_id blob not null,
    reached_at integer not null,
    primary key (workspace_id, waba_id, contact_id)
) strict, without rowid;

create index reached_by_time on reached (workspace_id, waba_id, reached_at);
