//! What a request's path asks for. Pure: it knows the shape of the service's URLs, not who may call them or what is answered.

/// The methods of GREEN-API that the sandbox has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Ask for an avatar; the result comes as a notification.
    GetAvatarAsync,
    /// Ask for an avatar and get it at once.
    GetAvatar,
    /// Look at the head of the queue.
    ReceiveNotification,
    /// Take it off the queue.
    DeleteNotification,
    /// Is the instance authorized?
    GetStateInstance,
    /// The instance's settings.
    GetSettings,
}

impl Method {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Method; 6] = [
        Method::GetAvatarAsync,
        Method::GetAvatar,
        Method::ReceiveNotification,
        Method::DeleteNotification,
        Method::GetStateInstance,
        Method::GetSettings,
    ];

    /// Its name in the path.
    pub fn name(self) -> &'static str {
        match self {
            Method::GetAvatarAsync => "getAvatarAsync",
            Method::GetAvatar => "getAvatar",
            Method::ReceiveNotification => "receiveNotification",
            Method::DeleteNotification => "deleteNotification",
            Method::GetStateInstance => "getStateInstance",
            Method::GetSettings => "getSettings",
        }
    }

    /// The HTTP method it is called with.
    pub fn verb(self) -> &'static str {
        match self {
            Method::GetAvatarAsync | Method::GetAvatar => "POST",
            Method::ReceiveNotification | Method::GetStateInstance | Method::GetSettings => "GET",
            Method::DeleteNotification => "DELETE",
        }
    }
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// `/waInstance{id}/…`, whatever follows.
    Instance {
        /// What stands for the instance: digits if the caller is right.
        id: &'a str,
        /// The call, if the rest has the shape of one.
        call: Option<Call<'a>>,
    },
    /// `/pictures/…`: the rest.
    Picture(&'a str),
    /// `/_sandbox/…`: the rest.
    Control(&'a str),
    /// Nowhere.
    Unknown,
}

/// `{method}/{token}` and, for deleteNotification, `/{receiptId}`.
#[derive(Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// Which method.
    pub method: Method,
    /// The token as it came.
    pub token: &'a str,
    /// What stands for the receipt; empty where there is none.
    pub receipt: &'a str,
}

/// Where `path` (without its query) leads.
pub fn route(path: &str) -> Route<'_> {
    if let Some(rest) = path.strip_prefix("/waInstance") {
        let mut parts = rest.split('/');
        let id = parts.next().unwrap_or_default();
        return Route::Instance { id, call: call(parts) };
    }
    if let Some(rest) = path.strip_prefix("/pictures/") {
        return Route::Picture(rest);
    }
    if let Some(rest) = path.strip_prefix("/_sandbox/") {
        return Route::Control(rest);
    }
    Route::Unknown
}

fn call<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<Call<'a>> {
    let name = parts.next()?;
    let method = Method::ALL.into_iter().find(|method| method.name() == name)?;
    let token = parts.next()?;
    let receipt = match method {
        Method::DeleteNotification => parts.next().unwrap_or_default(),
        _ => "",
    };
    parts.next().is_none().then_some(Call { method, token, receipt })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_its_instance_method_and_token() {
        let call = Call { method: Method::GetAvatar, token: "abc", receipt: "" };
        assert_eq!(route("/waInstance1/getAvatar/abc"), Route::Instance { id: "1", call: Some(call) });
        let call = Call { method: Method::DeleteNotification, token: "abc", receipt: "7" };
        assert_eq!(route("/waInstance1/deleteNotification/abc/7"), Route::Instance { id: "1", call: Some(call) });
    }

    #[test]
    fn an_instance_is_known_even_where_the_rest_is_no_call() {
        for path in ["/waInstance1", "/waInstance1/getAvatar", "/waInstance1/nope/abc", "/waInstance1/getAvatar/abc/7"]
        {
            assert_eq!(route(path), Route::Instance { id: "1", call: None }, "{path}");
        }
    }

    #[test]
    fn everything_else_is_a_picture_the_controls_or_nowhere() {
        assert_eq!(route("/pictures/1.jpg"), Route::Picture("1.jpg"));
        assert_eq!(route("/_sandbox/requests"), Route::Control("requests"));
        assert_eq!(route("/"), Route::Unknown);
        assert_eq!(route("/wainstance1/getAvatar/abc"), Route::Unknown);
    }
}
