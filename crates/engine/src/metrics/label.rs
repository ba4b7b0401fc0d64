//! Values of labels, and the names of accounts in labels.

use std::collections::BTreeMap;

use domain::id::AccountId;

/// Value of a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// Account. It is printed as two labels: the name of the workspace and the name of the account.
    Account(AccountId),
    /// Text from a closed list.
    Static(&'static str),
    /// Number from a closed list.
    Number(i64),
    /// Text from a list that the caller limits.
    Text(Box<str>),
}

/// Names of the accounts: name of the workspace, name of the account.
#[derive(Debug, Default)]
pub struct AccountNames(pub BTreeMap<AccountId, (String, String)>);

impl AccountNames {
    pub(super) fn accounts(&self) -> impl Iterator<Item = AccountId> {
        self.0.keys().copied()
    }

    /// Returns the texts of labels; `None` if an account does not exist.
    pub(super) fn resolve(&self, labels: &[Label]) -> Option<Vec<String>> {
        let mut values = Vec::with_capacity(labels.len() + 1);
        for label in labels {
            match label {
                Label::Account(account) => {
                    let (workspace, name) = self.0.get(account)?;
                    values.extend([workspace.clone(), name.clone()]);
                }
                Label::Static(text) => values.push((*text).to_owned()),
                Label::Number(number) => values.push(number.to_string()),
                Label::Text(text) => values.push(text.to_string()),
            }
        }
        Some(values)
    }
}
