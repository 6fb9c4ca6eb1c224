package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"parley/worker/bundle"
	"parley/worker/hub"
)

const pullHelp = `pull fetches the files that a bundle needs from a repository with ONNX graphs: descriptions,
tokenizers, licences, and the graphs in one precision. It is the only command that
downloads models.

The files come from the public hub, from HF_ENDPOINT where that is set, or from --from:
the address of a mirror with the same paths, a bundle's folder, or a hub's cache with
models--OWNER--NAME in it. A token for private and gated repositories is read from
--token-file, else from HF_TOKEN. It goes to the hub's own host only; the one of HF_TOKEN
is not sent to --from.

Before the first file comes, the whole size is known and there is room for it. Every file
is checked by length and digest. The bundle appears whole or not at all: run the same
command again after a cut, and it goes on from there.`

const pullExamples = `  parley models pull Xenova/opus-mt-en-de
  parley models pull onnx-community/Qwen2.5-0.5B-Instruct --precision q4 --as qwen
  parley models pull acme/translator@v1.2 --token-file ~/.hub-token
  parley models pull acme/translator --from https://mirror.example.org
  parley models pull acme/translator --from /media/stick/translator`

func modelsPullCommand() *cobra.Command {
	var o hub.Options
	var tokenFile string
	pull := &cobra.Command{
		Use: "pull OWNER/NAME[@REVISION]", Short: "Fetch a bundle from a hub, a mirror or a folder into the models folder", Args: cobra.ExactArgs(1),
		Long: pullHelp, Example: pullExamples,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			o.Models = cfg.Models
			if o.Repository, err = hub.ParseRepository(args[0]); err != nil {
				return err
			}
			if o.Token, err = hubToken(tokenFile, o.From != ""); err != nil {
				return err
			}
			o.From = cmp.Or(o.From, os.Getenv("HF_ENDPOINT"), hub.DefaultBase)
			shown := newProgress(cmd.ErrOrStderr())
			o.Progress = shown.show
			got, err := hub.Pull(cmd.Context(), o)
			shown.end()
			switch {
			case err != nil && cmd.Context().Err() != nil:
				return fmt.Errorf("pull %s: %w; run the command again to go on from here", o.Repository, err)
			case err != nil:
				return fmt.Errorf("pull %s: %w", o.Repository, err)
			}
			return printPulled(cmd.OutOrStdout(), got)
		},
	}
	flags := pull.Flags()
	flags.StringVar(&o.As, "as", "", "name of the bundle, which is its folder's (the repository's name without it)")
	flags.StringVar(&o.From, "from", "", "address of a mirror, or a folder to copy from")
	flags.StringVar(&o.Precision, "precision", "", "precision of the graphs: "+strings.Join(bundle.Precisions(), ", ")+" (the first of them that there is)")
	flags.StringVar(&tokenFile, "token-file", "", "file with a token for the hub (else HF_TOKEN)")
	flags.BoolVar(&o.Replace, "replace", false, "replace a bundle of the same name, in one step")
	flags.IntVar(&o.MaxFiles, "max-files", hub.DefaultMaxFiles, "how many files a bundle may have")
	flags.Int64Var(&o.MaxBytes, "max-bytes", hub.DefaultMaxBytes, "how many bytes a bundle may have")
	return pull
}

// hubToken reads the token of the file, else of HF_TOKEN, which is for the usual hub
// alone and not for one that was named for this time (elsewhere).
func hubToken(file string, elsewhere bool) (string, error) {
	if file == "" {
		if elsewhere {
			return "", nil
		}
		return strings.TrimSpace(os.Getenv("HF_TOKEN")), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return "", errors.New("the file of --token-file is empty; write the hub's token into it, or leave the flag out")
	}
	return token, nil
}

func printPulled(w io.Writer, got *hub.Result) error {
	s, err := got.Bundle.Summary()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s: %s, %s, %d files, %s, licence %s, in %s\n", s.Name, s.Kind, s.Precision, got.Files, byteSize(s.Size), cmp.Or(s.Licence, "not told"), s.Dir)
	return err
}
