-- Contacts are found by their user name, in upper or lower case.
create index contacts_by_username on contacts (workspace_id, username collate nocase, seq) where username is not null;
