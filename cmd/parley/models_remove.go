package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"parley/worker/hub"
)

func modelsRemoveCommand() *cobra.Command {
	var yes bool
	remove := &cobra.Command{
		Use: "rm NAME…", Short: "Remove bundles from the models folder", Args: cobra.MinimumNArgs(1),
		Long: `rm deletes bundles by the names of their folders. It asks before, unless --yes is given,
and refuses what is no bundle, a link, or outside of the models folder. A worker of
the folder gives the model up within 10 seconds, once the tasks that it has are done.`,
		Example: `  parley models rm translate-mini
  parley models rm opus-mt-en-de qwen --yes`,
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			for _, name := range names {
				if err := hub.CheckRemovable(cfg.Models, name); err != nil {
					return err
				}
			}
			if !yes {
				if !isTerminal(cmd.InOrStdin()) {
					return errors.New("there is no terminal to ask on; give --yes to remove without being asked")
				}
				if agreed, err := agrees(cmd.InOrStdin(), cmd.ErrOrStderr(), names); err != nil || !agreed {
					return err
				}
			}
			for _, name := range names {
				if err := hub.Remove(cfg.Models, name); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), "removed", name)
			}
			return nil
		},
	}
	remove.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return remove
}

// agrees asks whether to remove the bundles; only y and yes are a yes.
func agrees(in io.Reader, out io.Writer, names []string) (bool, error) {
	fmt.Fprintf(out, "Remove %s? [y/N] ", strings.Join(names, ", "))
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}
