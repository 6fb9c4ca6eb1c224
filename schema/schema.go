// Package schema is the GraphQL contract, hand-written, one file per domain.
// The entities of the database are in ent/schema.
package schema

import (
	"embed"
	"strings"
)

//go:embed *.graphql
var files embed.FS

// SDL gives the whole contract as one document.
func SDL() string {
	var all strings.Builder
	for _, name := range []string{"schema", "account", "note", "glossary", "job", "practice", "dialog", "audit", "model", "media", "sticker", "content", "indexing", "feedback", "search", "feed", "recommended", "event"} {
		data, err := files.ReadFile(name + ".graphql")
		if err != nil { // the list above is tested against the folder
			continue
		}
		all.Write(data)
		all.WriteString("\n")
	}
	return all.String()
}
