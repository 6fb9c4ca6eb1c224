// Package parley holds the one go:generate file: ent first, then gqlgen, both
// from the root (ent's generator breaks on its second run inside ent/).
package parley

//go:generate go tool ent generate --feature privacy,entql,sql/upsert,sql/execquery,sql/modifier,sql/lock,sql/versioned-migration --target ./ent/gen ./ent/schema
//go:generate go tool gqlgen generate
