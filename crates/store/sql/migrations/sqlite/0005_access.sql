-- Requests with an `Idempotency-Key`, except sends. The worker is the process that runs the request; it is null after the
-- end of the request. A request without a worker and without a status was interrupted, or its response was deleted.
create table idempotent_requests (
    seq integer primary key,
    id blob not null unique,
    workspace_id blob not null,
    owner_id blob not null,
    key text not null,
    -- Keyed hash of the path and the body; null while the body is read.
    digest blob,
    worker_id blob,
    status integer,
    body blob,
    -- Encrypted instead of `body`, if the response contains a secret.
    sealed_body blob,
    expires_at integer not null
) strict;

create unique index idempotent_requests_by_key on idempotent_requests (workspace_id, owner_id, key);
create index idempotent_requests_by_expiry on idempotent_requests (expires_at);

-- Names of active keys are unique in a workspace.
create index api_keys_by_name on api_keys (workspace_id, name) where revoked_at is null;
