package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"golang.org/x/sync/errgroup"
)

// RedisCluster is a cluster of three primaries, the first three nodes, each with a replica, the last three in their order.
type RedisCluster struct {
	Nodes []*Redis
}

const (
	clusterPrimaries = 3
	clusterSlots     = 16384
	busOffset        = 10_000 // from a node's port to the one for its fellows; an option only since Redis 7
)

// StartRedisCluster starts six nodes, makes a cluster of them, and returns once every node says that it is whole. The
// options' port is not used.
func StartRedisCluster(ctx context.Context, o RedisOptions) (*RedisCluster, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	c := &RedisCluster{}
	if err := c.start(ctx, o); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	if err := c.join(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("make a Redis cluster: %w", err), c.Stop())
	}
	return c, nil
}

// Stop stops all nodes.
func (c *RedisCluster) Stop() error {
	var errs []error
	for _, n := range c.Nodes {
		errs = append(errs, n.Stop())
	}
	return errors.Join(errs...)
}

func (c *RedisCluster) start(ctx context.Context, o RedisOptions) error {
	o.Args = append([]string{
		"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000",
	}, o.Args...)
	for range 2 * clusterPrimaries {
		node, err := startNode(ctx, o)
		if err != nil {
			return err
		}
		c.Nodes = append(c.Nodes, node)
		o.like = c.Nodes[0]
	}
	return nil
}

// startNode starts a node on a port that leaves room for the second one.
func startNode(ctx context.Context, o RedisOptions) (*Redis, error) {
	var failed error
	for range 10 {
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		bus, err := net.Listen("tcp", address(port+busOffset))
		if err != nil {
			failed = err
			continue
		}
		bus.Close()
		o.Port = port
		node, err := StartRedis(ctx, o)
		if err == nil {
			return node, nil
		}
		failed = err
	}
	return nil, failed
}

// join gives the primaries their slots, introduces all nodes to each other, and makes the rest replicas.
func (c *RedisCluster) join(ctx context.Context) error {
	ids := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		id, err := n.Do(ctx, "CLUSTER", "MYID")
		if err != nil {
			return err
		}
		ids[i] = fmt.Sprint(id)
		// Different epochs from the start, or the nodes would have to settle them.
		if _, err := n.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1); err != nil {
			return err
		}
		if i < clusterPrimaries {
			slots := []any{"CLUSTER", "ADDSLOTS"}
			for slot := i * clusterSlots / clusterPrimaries; slot < (i+1)*clusterSlots/clusterPrimaries; slot++ {
				slots = append(slots, slot)
			}
			if _, err := n.Do(ctx, slots...); err != nil {
				return err
			}
		}
		for _, other := range c.Nodes[:i] {
			if _, err := n.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(other.Port)); err != nil {
				return err
			}
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for i, n := range c.Nodes {
		group.Go(func() error {
			if err := n.until(ctx, fmt.Sprintf("cluster_known_nodes:%d\r", len(c.Nodes)), "CLUSTER", "INFO"); err != nil {
				return err
			}
			if i >= clusterPrimaries {
				primary := ids[i-clusterPrimaries]
				if err := n.until(ctx, primary, "CLUSTER", "NODES"); err != nil {
					return err
				}
				if _, err := n.Do(ctx, "CLUSTER", "REPLICATE", primary); err != nil {
					return err
				}
				if err := n.until(ctx, "master_link_status:up", "INFO", "replication"); err != nil {
					return err
				}
			}
			return n.until(ctx, "cluster_state:ok", "CLUSTER", "INFO")
		})
	}
	return group.Wait()
}
