//! The directory: all workspaces, accounts, webhook endpoints and API keys.

use engine::ports::Directory;
use rusqlite::Connection;

use crate::access::{api_keys, workspaces};
use crate::accounts::records;
use crate::error::SqlResult;
use crate::revisions;
use crate::seal::Sealer;
use crate::webhooks_out::endpoints;

pub(crate) fn get_directory(connection: &Connection, sealer: &Sealer) -> SqlResult<Directory> {
    Ok(Directory {
        revision: revisions::get_revision(connection)?,
        workspaces: workspaces::list_workspaces(connection)?,
        accounts: records::list_accounts(connection, sealer)?,
        webhooks: endpoints::all_endpoints(connection, sealer)?,
        keys: api_keys::all_keys(connection)?,
    })
}
