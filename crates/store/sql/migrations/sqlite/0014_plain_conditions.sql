-- A list of more than two words after `in` is built as a small table each time that a condition is looked at: at the
-- check of each row, and at each partial index. Words that are compared one by one cost nothing of the kind.

drop index messages_by_status;

create index messages_by_status on messages (workspace_id, status, seq)
    where status = 'failed' or status = 'queued' or status = 'unknown' or status = 'expired' or status = 'canceled';

-- The contents of the tables stay as they are: only the words of their checks change, as SQLite's documentation of
-- `alter table` describes for this case.
pragma writable_schema = on;

update sqlite_schema
set sql = replace(sql, 'check (status in (
        ''queued'', ''sending'', ''unknown'', ''sent'', ''failed'', ''delivered'', ''read'', ''played'',
        ''expired'', ''canceled'', ''received''
    ))', 'check (
        status = ''sending'' or status = ''sent'' or status = ''delivered'' or status = ''read'' or status = ''received''
        or status = ''queued'' or status = ''failed'' or status = ''unknown'' or status = ''played''
        or status = ''expired'' or status = ''canceled''
    )')
where type = 'table' and name = 'messages';

update sqlite_schema
set sql = replace(sql, 'check (status in (''pending'', ''succeeded'', ''failed'', ''dead''))',
    'check (status = ''pending'' or status = ''succeeded'' or status = ''failed'' or status = ''dead'')')
where type = 'table' and name = 'deliveries';

update sqlite_schema
set sql = replace(sql, 'check (opted_out_reason in (''api'', ''import'', ''meta'', ''word''))',
    'check (opted_out_reason = ''api'' or opted_out_reason = ''import'' or opted_out_reason = ''meta''
        or opted_out_reason = ''word'')')
where type = 'table' and name = 'contacts';

pragma writable_schema = reset;
