//! Typed ids of accounts, rooms, connections, logins and files.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident = $new:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Generates a new id.
            pub fn new() -> Self {
                Self(Uuid::$new())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // The library's error text is about its parser.
                Uuid::deserialize(deserializer).map(Self).map_err(|_| D::Error::custom("should be an id, a UUID"))
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }

        // Stored as text, so that both databases store the same, readable value.
        impl<D: sqlx::Database> sqlx::Type<D> for $name
        where
            String: sqlx::Type<D>,
        {
            fn type_info() -> D::TypeInfo {
                <String as sqlx::Type<D>>::type_info()
            }

            fn compatible(ty: &D::TypeInfo) -> bool {
                <String as sqlx::Type<D>>::compatible(ty)
            }
        }

        impl<'q, D: sqlx::Database> sqlx::Encode<'q, D> for $name
        where
            String: sqlx::Encode<'q, D>,
        {
            fn encode_by_ref(
                &self,
                buffer: &mut <D as sqlx::Database>::ArgumentBuffer,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                self.to_string().encode(buffer)
            }
        }

        impl<'r, D: sqlx::Database> sqlx::Decode<'r, D> for $name
        where
            &'r str: sqlx::Decode<'r, D>,
        {
            fn decode(value: <D as sqlx::Database>::ValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
                Ok(<&str as sqlx::Decode<'r, D>>::decode(value)?.parse()?)
            }
        }
    };
}

id! {
    /// An account's `uid`.
    AccountId = now_v7
}
id! {
    /// A room's `uid`.
    RoomId = now_v7
}
id! {
    /// The id of a live connection, and of its guest.
    ConnectionId = now_v7
}
id! {
    /// The id of a log-in: its refresh token belongs to it, and logging out ends it.
    LoginId = now_v7
}
id! {
    /// The id of an uploaded file. Everybody who knows it may download the file, so it is random and cannot be guessed.
    MediaId = new_v4
}
