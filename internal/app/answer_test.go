package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/testkit/dbtest"
)

// A short operation with aliases can ask for the same texts many times over.
func TestAnAnswerHoldsABoundedAmountOfTexts(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	number, _ := w.talk(t, true)
	for range 16 {
		w.Machine.Must(t, `mutation($i: AddDialogMessageInput!) { addDialogMessage(input: $i) { message { id } } }`,
			gqlclient.Vars{"i": gqlclient.Vars{"dialogId": number, "text": strings.Repeat("x", 64<<10)}}, nil)
	}
	ask := func(aliases int) *gqlclient.Response {
		var query strings.Builder
		for i := range aliases {
			fmt.Fprintf(&query, "a%d: dialog(dialogId: %s) { messages { text } } ", i, number)
		}
		r, err := w.Analyst.Do(t.Context(), "{ "+query.String()+"}", nil)
		require.NoError(t, err)
		return r
	}
	r := ask(10)
	assert.Empty(t, r.Code(), "10 MiB of texts gave %v", r.Err())
	r = ask(60)
	assert.Equal(t, "TOO_LARGE", r.Code(), "60 MiB of texts gave %q in %d bytes", r.Code(), len(r.Body))
	assert.LessOrEqual(t, len(r.Body), 40<<20, "60 MiB of texts gave %q in %d bytes", r.Code(), len(r.Body))
}
