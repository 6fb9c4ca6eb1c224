package fault

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestApolloLosesNoEventWhenItsSocketIsCutOrTheServerRestarts(t *testing.T) {
	t.Parallel()
	losesNothing(t, "apollo")
}

func TestUrqlLosesNoEventWhenItsSocketIsCutOrTheServerRestarts(t *testing.T) {
	t.Parallel()
	losesNothing(t, "urql")
}

// losesNothing breaks the connection of a client as it comes, with one
// subscription that says nothing about resuming, in every way. Events are
// committed right before, while it can't come back, and after.
func losesNothing(t *testing.T, client string) {
	f := newFleet(t, 1)
	api := f.replicas[0]
	u := signUp(t, api.URL)
	r := listen(t, client, client, f.proxy.URL, u.session(t)).record
	marker := attend(t, u, []*record{r})
	edit := func(when string) {
		t.Helper()
		for n := range 5 {
			_, err := u.retitle(t.Context(), marker, fmt.Sprintf("%s %d", when, n))
			require.NoError(t, err)
		}
	}
	restart := func(signal syscall.Signal) func() {
		return func() {
			require.NoError(t, api.End(signal))
			require.NoError(t, api.Revive())
		}
	}
	var last int64
	for _, fault := range []struct {
		name   string
		strike func()
	}{
		{"a closed connection", func() { f.proxy.cutAll(false) }},
		{"a reset connection", func() { f.proxy.cutAll(true) }},
		{"a server that restarts", restart(syscall.SIGTERM)},
		{"a killed server", restart(syscall.SIGKILL)},
	} {
		edit("before " + fault.name)
		f.proxy.refuse(true)
		fault.strike()
		edit("during " + fault.name)
		f.proxy.refuse(false)
		edit("after " + fault.name)
		rows := f.settle(u, marker)
		last = rows[len(rows)-1].position
		assert.True(t, r.await(t, func() bool { return r.has(last) }), "the last event did not come after %s", fault.name)
	}
	v := judge(rowsOf(t, f.Postgres, u.id), r)
	assert.Empty(t, v.wrong(), "connections")
	assert.GreaterOrEqual(t, v.sessions, 5, "connections")
	t.Logf("\n%s", table([]verdict{v}))
}
