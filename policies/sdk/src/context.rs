//! What a rule may ask besides the object it judges: the request, the settings, the old object, and other objects of the cluster.

use std::cell::{OnceCell, RefCell};

use crate::accounts::is_machinery;
use crate::bindings::stateward::policy::types::{Request, RuleIndex, User};
use crate::objects::{DeleteOptions, Object, StorageClass, Stored, read};
use crate::rule::{Operation, Profile, Rule};
use crate::tree::Templated;

pub use crate::bindings::stateward::policy::lookup::{Found as Answer, Query};

/// Answers look-ups: the host in Wasm, the test kit natively.
pub trait Lookup {
    /// Other objects of the cluster.
    fn find(&self, query: &Query) -> Answer;
}

/// Other objects by kind: there, known to be absent, or not to be known here.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<T> {
    /// There it is.
    Found(T),
    /// There is none of that name.
    Absent,
    /// It cannot be looked up here; the rule is undecided.
    Unknown,
}

/// One request, shared by all units of a call.
pub struct Call<'a> {
    request: &'a Request,
    lookup: &'a dyn Lookup,
    asked: Remembered<Query, Answer>,
    old: OnceCell<Object<'a>>,
    failure: RefCell<Option<String>>,
}

/// What a rule is given beside the object.
pub struct Context<'c, 'a, S> {
    /// What the administrator set.
    pub settings: S,
    call: &'c Call<'a>,
    profile: Profile,
    on: &'c [RuleIndex],
    table: &'static [Rule],
    /// Where the family's rules begin in the component's manifest.
    offset: RuleIndex,
    /// By name; `None` is the default one. Many rules look at the classes of the same few claims.
    classes: Remembered<Option<String>, Found<StorageClass<'c>>>,
}

impl<'a> Call<'a> {
    /// A request that is about to be judged.
    pub fn new(request: &'a Request, lookup: &'a dyn Lookup) -> Self {
        Self { request, lookup, asked: Remembered::default(), old: OnceCell::new(), failure: RefCell::new(None) }
    }

    /// The request.
    pub fn request(&self) -> &'a Request {
        self.request
    }

    /// Words for the policy's author if something could not be read while rules ran.
    pub fn failure(&self) -> Option<String> {
        self.failure.take()
    }

    /// One object by its name. Asked at most once in a call.
    pub fn find<'s, T: Stored<'s>>(&'s self, namespace: Option<&str>, name: &str, live: bool) -> Found<T> {
        let query = Query {
            kind: T::KIND.into(),
            namespace: namespace.map(str::to_owned),
            name: Some(name.to_owned()),
            labels: None,
            live,
        };
        match self.ask(&query) {
            Answer::Unknown => Found::Unknown,
            Answer::Objects(texts) => {
                texts.first().map_or(Found::Absent, |text| Self::typed(text).map_or(Found::Unknown, Found::Found))
            }
        }
    }

    /// All objects of a kind, or those that a selector selects; `None` when the kind cannot be looked up here.
    pub fn list<'s, T: Stored<'s>>(
        &'s self,
        namespace: Option<&str>,
        labels: Option<&str>,
        live: bool,
    ) -> Option<Vec<T>> {
        let query = Query {
            kind: T::KIND.into(),
            namespace: namespace.map(str::to_owned),
            name: None,
            labels: labels.map(str::to_owned),
            live,
        };
        match self.ask(&query) {
            Answer::Unknown => None,
            Answer::Objects(texts) => texts.iter().map(|text| Self::typed(text)).collect(),
        }
    }

    fn ask(&self, query: &Query) -> &Answer {
        self.asked.get_or(
            |asked| asked == query,
            || {
                let answer = self.lookup.find(query);
                (query.clone(), answer)
            },
        )
    }

    /// One neighbour with a wrong type, possible in files only, must not keep all rules from judging: the one that asked is undecided.
    fn typed<'s, T: Stored<'s>>(text: &'s str) -> Option<T> {
        read(text).ok()
    }

    fn fail(&self, message: String) {
        self.failure.borrow_mut().get_or_insert(message);
    }
}

impl<'c, 'a, S> Context<'c, 'a, S> {
    /// A context for the rules of one family in one unit.
    pub fn new(
        call: &'c Call<'a>,
        settings: S,
        profile: Profile,
        on: &'c [RuleIndex],
        table: &'static [Rule],
        offset: RuleIndex,
    ) -> Self {
        Self { settings, call, profile, on, table, offset, classes: Remembered::default() }
    }

    /// The request.
    pub fn request(&self) -> &'a Request {
        self.call.request
    }

    /// What is being done.
    pub fn operation(&self) -> Operation {
        self.call.request.operation
    }

    /// Who asks; `None` in an audit and in files.
    pub fn user(&self) -> Option<&'a User> {
        self.call.request.user.as_ref()
    }

    /// Whether a person asks: neither the cluster's machinery nor one of `trusted_users`. `None` where nobody is known to ask: the rule is undecided.
    pub fn is_person(&self, trusted_users: &[String]) -> Option<bool> {
        self.user().map(|user| !is_machinery(user, trusted_users))
    }

    /// How something is to be deleted; the defaults where the request says nothing.
    pub fn delete_options(&self) -> DeleteOptions<'a> {
        let options = self.call.request.options.as_deref().map(read);
        options.unwrap_or_else(|| Ok(DeleteOptions::default())).unwrap_or_else(|error| {
            self.call.fail(format!("the options cannot be read: {error}"));
            DeleteOptions::default()
        })
    }

    /// Whether an UPDATE changes what pods are made from, in whatever field.
    pub fn changes_template(&self) -> bool {
        let template = |text: &'a Option<String>| {
            let read = read::<Templated<'a>>(text.as_deref()?);
            read.map_err(|error| self.call.fail(format!("the template cannot be read: {error}"))).ok()
        };
        let request = self.call.request;
        template(&request.old_object) != template(&request.object)
    }

    /// The profile in force.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Where the object lives. A file that names no namespace means `default`, as `kubectl` does out of the box.
    pub fn namespace(&self) -> &'a str {
        self.call.request.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or("default")
    }

    /// Whether another rule of the family is switched on in the same unit.
    pub fn is_on(&self, rule: &Rule) -> bool {
        let place =
            self.table.iter().position(|each| each.id == rule.id).and_then(|place| RuleIndex::try_from(place).ok());
        place.is_some_and(|place| self.on.contains(&(self.offset + place)))
    }

    /// The object before an UPDATE; `None` on CREATE. Read when first asked for.
    pub fn old(&self) -> Option<&'c Object<'a>> {
        let text = self.call.request.old_object.as_deref()?;
        Some(self.call.old.get_or_init(|| {
            Object::parse(&self.call.request.resource, text).unwrap_or_else(|error| {
                self.call.fail(format!("the old object cannot be read: {error}"));
                Object::Other
            })
        }))
    }

    /// An object by its name: of the request's namespace where the kind has namespaces.
    pub fn find<T: Stored<'c>>(&self, name: &str) -> Found<T> {
        self.call.find(T::NAMESPACED.then(|| self.namespace()), name, false)
    }

    /// The same, from the API server instead of a cache. The rule's [`Read`](crate::rule::Read) says `live`.
    pub fn find_live<T: Stored<'c>>(&self, name: &str) -> Found<T> {
        self.call.find(T::NAMESPACED.then(|| self.namespace()), name, true)
    }

    /// A StorageClass by its name, or the default one of claims that name none. Read once, however many rules ask.
    pub fn storage_class(&self, name: Option<&str>) -> &Found<StorageClass<'c>> {
        self.classes.get_or(
            |known| known.as_deref() == name,
            || (name.map(str::to_owned), name.map_or_else(|| self.default_class(), |name| self.find(name))),
        )
    }

    fn default_class(&self) -> Found<StorageClass<'c>> {
        match self.list::<StorageClass>() {
            None => Found::Unknown,
            Some(classes) => StorageClass::default_of(classes).map_or(Found::Absent, Found::Found),
        }
    }

    /// All objects of a kind, in the request's namespace where the kind has namespaces; `None` when it cannot be looked up here.
    pub fn list<T: Stored<'c>>(&self) -> Option<Vec<T>> {
        self.call.list(T::NAMESPACED.then(|| self.namespace()), None, false)
    }

    /// Those that a label selector (`key=value`, with commas between several) selects, from the API server instead of a cache. The rule's
    /// [`Read`](crate::rule::Read) says `live`.
    pub fn list_live<T: Stored<'c>>(&self, labels: &str) -> Option<Vec<T>> {
        self.call.list(T::NAMESPACED.then(|| self.namespace()), Some(labels), true)
    }
}

/// Values by keys, in the order they were asked for. A list that only grows, so that values may be borrowed while it does.
struct Remembered<K, V> {
    first: OnceCell<(K, V)>,
    rest: OnceCell<Box<Self>>,
}

impl<K, V> Remembered<K, V> {
    fn get_or(&self, is_it: impl Fn(&K) -> bool, make: impl FnOnce() -> (K, V)) -> &V {
        let mut at = self;
        while let Some((key, value)) = at.first.get() {
            if is_it(key) {
                return value;
            }
            at = at.rest.get_or_init(Box::default);
        }
        let (_, value) = at.first.get_or_init(make);
        value
    }
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self { first: OnceCell::new(), rest: OnceCell::new() }
    }
}
