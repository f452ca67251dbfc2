//! The environment variables, or what a test has instead.

#[derive(Debug, Clone)]
pub enum Env {
    Process,
    #[cfg(test)]
    Given(std::collections::HashMap<String, String>),
}

impl Env {
    /// A variable's value, if it is set to something.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = match self {
            Env::Process => std::env::var(name).ok(),
            #[cfg(test)]
            Env::Given(variables) => variables.get(name).cloned(),
        };
        value.filter(|value| !value.is_empty())
    }

    #[cfg(test)]
    pub fn of(variables: &[(&str, &str)]) -> Env {
        let pair = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Env::Given(variables.iter().map(pair).collect())
    }
}
