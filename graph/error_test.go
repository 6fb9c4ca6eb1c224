package graph

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"parley/ent/gen/privacy"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

func TestEveryCodeIsShownWithItsSentenceAtTheFieldThatFailed(t *testing.T) {
	t.Parallel()
	for _, want := range []apperr.Code{
		apperr.BadInput, apperr.Unauthenticated, apperr.Forbidden, apperr.NotFound, apperr.Conflict, apperr.IdempotencyMismatch,
		apperr.UnsupportedLanguage, apperr.RateLimited, apperr.TooLarge, apperr.Unavailable, apperr.Timeout, apperr.Internal,
		apperr.PersistedQueryMissing,
	} {
		for _, err := range []error{apperr.New(want, "No %s.", "tea"), fmt.Errorf("make tea: %w", apperr.New(want, "No tea."))} {
			errs := shown(t.Context(), err)
			require.Len(t, errs, 1)
			require.Equal(t, "No tea.", errs[0].Message, "what wraps an error is not for clients")
			require.Equal(t, map[string]any{"code": string(want)}, errs[0].Extensions)
			require.Equal(t, ast.Path{ast.PathName("thing")}, errs[0].Path)
		}
	}
}

func TestWhatAnErrorKnowsOfItsCauseGoesToTheLogAlone(t *testing.T) {
	t.Parallel()
	ctx, log := withJournal(t.Context())
	errs := shown(ctx, apperr.Wrap(errors.New("disk on fire"), apperr.Unavailable, "Come back later."))
	require.Len(t, errs, 1)
	require.Equal(t, "Come back later.", errs[0].Message)
	require.NotContains(t, fmt.Sprint(errs[0].Extensions), "fire")
	require.Contains(t, log.String(), "disk on fire")
}

func TestAnErrorThatSaysWhenToComeBackIsRoundedUpToSeconds(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]int{time.Millisecond: 1, time.Second: 1, 1500 * time.Millisecond: 2} {
		errs := shown(t.Context(), apperr.Limited(after, "Too fast."))
		require.Equal(t, map[string]any{"code": "RATE_LIMITED", "retryAfter": want}, errs[0].Extensions)
	}
}

func TestAValidationShowsAllItsProblemsInOrderEachAtItsArgument(t *testing.T) {
	t.Parallel()
	errs := shown(t.Context(), errors.Join(
		apperr.Input("title", "Too long."), apperr.Input("text", "Empty."), apperr.Argument("first", "Too many.")))
	require.Len(t, errs, 3)
	for i, want := range []struct {
		message  string
		argument []string
	}{{"Too long.", []string{"input", "title"}}, {"Empty.", []string{"input", "text"}}, {"Too many.", []string{"first"}}} {
		require.Equal(t, want.message, errs[i].Message)
		require.Equal(t, map[string]any{"code": "BAD_INPUT", "argument": want.argument}, errs[i].Extensions)
		require.Equal(t, ast.Path{ast.PathName("thing")}, errs[i].Path)
	}
}

func TestWhatTheDataLayerDeniesIsUnauthenticatedOrForbidden(t *testing.T) {
	t.Parallel()
	denied := fmt.Errorf("read notes: %w", privacy.Denyf("rule 17"))
	for name, test := range map[string]struct {
		as   func(context.Context) context.Context
		want apperr.Code
	}{
		"nobody": {func(ctx context.Context) context.Context { return ctx }, apperr.Unauthenticated},
		"a user": {signedIn, apperr.Forbidden},
		"a key":  {machine, apperr.Forbidden},
		"refused": {func(ctx context.Context) context.Context {
			return auth.Refused(ctx, apperr.New(apperr.Unauthenticated, "Expired."))
		}, apperr.Unauthenticated},
	} {
		ctx, log := withJournal(t.Context())
		errs := shown(test.as(ctx), denied)
		require.Len(t, errs, 1, name)
		require.Equal(t, string(test.want), code(errs[0]), name)
		require.NotContains(t, errs[0].Message, "17", name)
		require.Contains(t, log.String(), "rule 17", name)
		if name == "refused" {
			require.Equal(t, "Expired.", errs[0].Message, "it says why the token was not valid")
		}
	}
}

// A context without a viewer reads nothing, whichever service forgot to ask.
func TestAReadWithoutAViewerIsUnauthenticatedInBothDatabases(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		_, err := s.Client(t.Context()).Note.Query().All(t.Context())
		require.ErrorIs(t, err, privacy.Deny)
		errs := shown(t.Context(), err)
		require.Len(t, errs, 1)
		require.Equal(t, "UNAUTHENTICATED", code(errs[0]))
	})
}

func TestACallThatTookTooLongOrWasCancelledSaysSo(t *testing.T) {
	t.Parallel()
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	gone, leave := context.WithCancel(t.Context())
	leave()
	for want, err := range map[string]error{"TIMEOUT": late.Err(), "UNAVAILABLE": gone.Err()} {
		ctx, log := withJournal(t.Context())
		errs := shown(ctx, fmt.Errorf("read notes: %w", err))
		require.Len(t, errs, 1)
		require.Equal(t, map[string]any{"code": want}, errs[0].Extensions)
		require.NotContains(t, errs[0].Message, "context")
		require.Empty(t, log.String(), "it is nobody's fault")
	}
}

func TestADriversWordsStayInTheLogUnderTheReferenceThatIsShown(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		_, failure := s.Exec(t.Context(), "DELETE FROM the_secret_table")
		require.ErrorContains(t, failure, "the_secret_table", "else the driver has no words to leak")
		ctx, log := withJournal(t.Context())
		errs := shown(signedIn(ctx), fmt.Errorf("delete: %w", failure))
		require.Len(t, errs, 1)
		require.Equal(t, "INTERNAL", code(errs[0]))
		reference, _ := errs[0].Extensions["reference"].(string)
		prefix, ok := store.Prefix(reference)
		require.True(t, ok && prefix == "err", reference)
		require.Equal(t, "Something went wrong on our side. The log has it under "+reference+".", errs[0].Message)
		require.NotContains(t, fmt.Sprint(errs[0].Extensions), "secret")
		require.Contains(t, log.String(), "reference="+reference)
		require.Contains(t, log.String(), "the_secret_table")
		require.Contains(t, log.String(), "path=thing")
	})
}

func TestAPanicIsAnInternalErrorWhoseWordsAndStackStayInTheLog(t *testing.T) {
	t.Parallel()
	ctx, log := withJournal(t.Context())
	errs := shown(ctx, Recover(ctx, "the secret is tea"))
	require.Len(t, errs, 1)
	require.Equal(t, "INTERNAL", code(errs[0]))
	require.NotContains(t, errs[0].Message, "tea")
	require.Contains(t, log.String(), "the secret is tea")
	require.Contains(t, log.String(), "error_test.go", "the stack tells where")
}
